# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of others to stand beside one's own.

Those that are here: mean PSNR of the 24 Kodak images, AWGN, k/n = 1/12 complex uses per real value; those of codecs
with an ideal code are this project's own.

The capacity figures assume a perfect code at the exact SNR; a real code of known SNR loses 1 to 2 dB of SNR, and all
of the picture below its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files, values
from ..errors import BadInput
from ..image.quality import METRICS

RATE = 1 / 12
IMAGES = frozenset(f"kodim{number:02d}.png" for number in range(1, 25))


@dataclass(frozen=True)
class Anchor:
    """A published curve.

    Attributes
    ----------
    label : str
        What a figure calls it.
    source : str
        Where it is from.
    points : dict of float to float
        Es/N0 in dB to the metric.
    metric : str
        "psnr", "ms_ssim" or "st_lpips".
    """

    label: str
    source: str
    points: dict[float, float]
    metric: str = "psnr"


ANCHORS = (
    Anchor(
        "JPEG 2000 + capacity",
        "the bits that a capacity-achieving code would carry; benchmarks/codecs.py, results/codecs.json",
        {1: 29.89, 4: 31.73, 7: 33.47, 10: 35.08, 13: 36.55},
    ),
    Anchor(
        "AVIF + capacity",
        "the bits that a capacity-achieving code would carry; benchmarks/codecs.py, results/codecs.json",
        {1: 30.91, 4: 32.73, 7: 34.43, 10: 35.94, 13: 37.24},
    ),
    Anchor(
        "SwinJSCC, one model",
        "Yang et al., SwinJSCC: Taming Swin Transformer for Deep Joint Source-Channel Coding, 2024",
        {1: 30.35, 4: 31.98, 7: 33.34, 10: 34.41, 13: 35.19},
    ),
    Anchor("DeepJSCC", "Bourtsoulatze et al., Deep Joint Source-Channel Coding, 2019", {10: 33.05}),
    Anchor("WITT", "Yang et al., WITT: A Wireless Image Transmission Transformer, ICASSP 2023", {10: 35.0}),
)


def read(file: Path) -> tuple[Anchor, ...]:
    """Curves of one's own, from a JSON file.

    Parameters
    ----------
    file : Path
        A list such as ``[{"label": "ADJSCC", "source": "Xu et al., 2022", "points": {"1": 27.9, "10": 32.1}}]``, with
        ``"metric": "ms_ssim"`` where it is not PSNR; ``source`` may be left out.

    Returns
    -------
    tuple of Anchor
        In the order of the file.

    Raises
    ------
    BadInput
        It cannot be read, or is something else.
    """
    try:
        listed = files.read_json(file, "a file of curves")
    except BadInput as error:
        raise BadInput(str(error), field="anchors") from None
    if not isinstance(listed, list) or not listed:
        raise BadInput(f"{file} is no list of curves; {_EXPECTED}", field="anchors")
    if len(listed) > MAX_CURVES:
        raise BadInput(f"{file} has {len(listed):,} curves where at most {MAX_CURVES} are drawn", field="anchors")
    return tuple(_anchor(file, number, entry) for number, entry in enumerate(listed, 1))


MAX_CURVES, MAX_POINTS = 50, 1000
MAX_TEXT = 200  # characters
MAX_FIGURE = 1e6  # of a metric
_EXPECTED = 'write [{"label": "NAME", "points": {"SNR": VALUE}}]'


def _anchor(file: Path, number: int, entry: Any) -> Anchor:
    try:
        known = values.mapping(entry, "it")
        label = values.text(known.get("label"), "label", MAX_TEXT)
        points = {
            values.number(_decibels(snr), "SNR", -1000, 1000): values.number(value, "a value", -MAX_FIGURE, MAX_FIGURE)
            for snr, value in values.mapping(known.get("points"), "points").items()
        }
        if not 0 < len(points) <= MAX_POINTS:
            raise BadInput(f"must have 1 to {MAX_POINTS} entries, got {len(points)}", field="points")
        metric = values.text(known.get("metric", "psnr"), "metric")
        if metric not in METRICS:
            raise BadInput(f"must be one of {', '.join(METRICS)}, got {values.shown(metric)}", field="metric")
        return Anchor(
            label, values.text(known.get("source", ""), "source", MAX_TEXT), dict(sorted(points.items())), metric
        )
    except BadInput as error:
        raise BadInput(f"{file} has no curve at place {number}: {error}; {_EXPECTED}", field="anchors") from None


def _decibels(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
