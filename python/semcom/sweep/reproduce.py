# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep done again, beside what its record says."""

from __future__ import annotations

import math
import random
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from .. import files, schemes, values
from ..channel import symbol
from ..errors import BadInput
from .executors import Executor
from .run import Progress, Say, sweep
from .settings import MAX_VALUES, SweepSettings

ROUNDING_DB = 0.1
"""By how much a picture's PSNR may differ with the same seeds: another processor rounds otherwise, and where an encoder
chooses between two that are nearly as good, it may choose the other one."""
CONFIDENCE = 0.95
"""That all points of a sweep agree, where they do but for the chance of the channel."""
OTHER_SEEDS = 1_000_003  # further on, for draws that are not those of the record
_MAX_NAMES = 100_000
_PLACE = ("channel", "csi", "rate", "snr_db", "snr_enc_db", "lose")


@dataclass(frozen=True)
class Comparison:
    """A point of a record, and the same measured again; PSNR over the images that were chosen.

    Attributes
    ----------
    channel, csi : str
        Of the point.
    rate : str or None
        k/n as text.
    snr_db, snr_enc_db : float
        Es/N0, and what the encoder reckons with, dB.
    recorded, found : float or None
        Mean PSNR, dB; None where no picture arrived.
    within : float or None
        How far apart they may be, dB; None where the record does not tell, as it has a single draw.
    """

    channel: str
    csi: str
    rate: str | None
    snr_db: float
    snr_enc_db: float
    recorded: float | None
    found: float | None
    within: float | None

    @property
    def holds(self) -> bool:
        """Whether they are near enough, or nothing says how near they must be."""
        if self.recorded is None or self.found is None:
            return self.recorded == self.found
        return self.within is None or abs(self.recorded - self.found) <= self.within


@dataclass(frozen=True)
class Reproduction:
    """What became of it.

    Attributes
    ----------
    images : tuple of str
        That were measured again.
    comparisons : tuple of Comparison
        Of every point of the record.
    other_weights : tuple of str
        Files of weights that are others than the record names.
    """

    images: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    other_weights: tuple[str, ...]


def is_sweep(record: Any) -> bool:
    """Whether a record is one of a sweep.

    Parameters
    ----------
    record : object
        As it was read.

    Returns
    -------
    bool
        By what it has.
    """
    return isinstance(record, Mapping) and {"scheme", "points", "images"} <= record.keys()


def folder_of(record: Mapping[str, Any], data: Path) -> Path:
    """Where the photographs of a sweep are.

    Parameters
    ----------
    record : mapping
        Of the sweep.
    data : Path
        The folder of them, or the one above it.

    Returns
    -------
    Path
        ``data``, or the folder in it that the sweep's command names.
    """
    try:
        words = shlex.split(values.text(record.get("command"), "command"))
        below = data / Path(words[words.index("--images") + 1]).name
    except (BadInput, ValueError, IndexError):
        return data
    return below if below.exists() else data


def reproduce(
    record: Path,
    images: Path,
    share: float,
    fresh: bool,
    executor: Executor,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Reproduction:
    """Do a sweep again and compare.

    Parameters
    ----------
    record : Path
        JSON file that a sweep wrote.
    images : Path
        The folder that it was of.
    share : float
        Of the images that are measured, above 0 and up to 1, drawn by lot.
    fresh : bool
        Whether fades and noise are drawn anew: the means must then agree within the interval of their difference (the
        standard errors over the draws of each image, of both) that holds all points together in 95 of 100 times
        (Bonferroni). With the seeds of the record pictures must be the same to ``ROUNDING_DB``.
    executor : Executor
        See :mod:`.executors`.
    progress, say : callable, optional
        As of :func:`.run.sweep`.

    Returns
    -------
    Reproduction
        Point by point.

    Raises
    ------
    BadInput
        The file is no record of a sweep, or the folder has not its images.
    Missing
        As of :func:`.run.sweep`.
    """
    check_share(share, "images")
    known = files.read_json(record, "a record of a sweep")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "again.json"
        try:
            values.mapping(known, "it")
            points = [_point(point) for point in values.listed(known.get("points"), "points", MAX_VALUES)]
            settings = _settings(known, points, images, out, share, fresh)
        except BadInput as error:
            raise BadInput(
                f"{record} cannot be measured again: {error}; give a file that `semcom sweep` wrote"
            ) from None
        sweep(settings, executor, progress, say)
        again = files.read_json(out, "a record of a sweep") if out.exists() else {"points": [], "weights": {}}
    found = {_place(point): point for point in again["points"]}
    errors = _errors(len(points)) if fresh else None
    comparisons = tuple(_compared(point, found.get(_place(point)), settings.only, errors) for point in points)
    weights = values.mapping(known.get("weights", {}), "weights")
    others = tuple(sorted(name for name, digest in again["weights"].items() if weights.get(name) != digest))
    return Reproduction(settings.only, comparisons, others)


def _settings(
    known: Mapping[str, Any], points: Sequence[Mapping[str, Any]], images: Path, out: Path, share: float, fresh: bool
) -> SweepSettings:
    """Of the sweep that wrote a record, for some of its images."""
    if not points:
        raise BadInput("it has no points")
    scheme = schemes.get(values.text(known.get("scheme"), "scheme"))
    names = values.listed(values.mapping(known.get("images"), "images").get("names"), "names", _MAX_NAMES)
    seed, seeds, draws = (values.whole(known.get(name), name, 0, 2**32 - 1) for name in ("seed", "seeds", "draws"))
    region = known.get("region")
    if region is not None:
        region = dict(values.mapping(region, "region"))
        region["prompts"] = tuple(values.listed(region.get("prompts"), "prompts"))
    return SweepSettings(
        images,
        out,
        scheme,
        options=values.mapping(known.get("options"), "options"),
        snr=_each(points, "snr_db"),
        channel=_each(points, "channel"),
        csi=_each(points, "csi"),
        rates=_each(points, "rate"),
        **_assumed(points),
        k_factor=next((p["k_factor_db"] for p in points if p["k_factor_db"] is not None), 10.0),
        seed=(seed + OTHER_SEEDS) % 2**32 if fresh else seed,
        seeds=seeds,
        draws=draws,
        lose=points[0]["lose"],
        metrics=("psnr",),
        region=schemes.Region(**region) if region else schemes.Region(),
        only=by_lot([values.text(name, "names") for name in names], share, least=2),
    )


def check_share(share: float, what: str) -> None:
    """Refuse what is no share of some things.

    Raises
    ------
    BadInput
        It is not above 0 and up to 1.
    """
    if not 0 < share <= 1:
        raise BadInput(f"{share:g} is no share of the {what}; give one above 0 and up to 1, such as 0.1", field="share")


def by_lot(names: Sequence[str], share: float, least: int) -> tuple[str, ...]:
    """Some of the names in their order, at least ``least`` where there are as many; always the same ones.

    Parameters
    ----------
    names : sequence of str
        Each once.
    share : float
        Of them, above 0 and up to 1.
    least : int
        Of them.

    Returns
    -------
    tuple of str
        Those that were drawn.
    """
    count = min(len(names), max(least, math.ceil(share * len(names) - 1e-9)))
    chosen = set(random.Random(0).sample(sorted(names), count))
    return tuple(name for name in names if name in chosen)


def _assumed(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the encoder was told, as a sweep's settings say it."""
    told = _each(points, "snr_enc_db")
    if len(told) == 1 and any(point["snr_db"] != told[0] for point in points):
        return {"snr_enc": told[0]}
    return {"snr_error": tuple(dict.fromkeys(round(p["snr_enc_db"] - p["snr_db"], 6) for p in points))}


def _each(points: Sequence[Mapping[str, Any]], name: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(point[name] for point in points))


def _point(point: Any) -> dict[str, Any]:
    """What is compared of a point."""
    known = values.mapping(point, "points")
    made: dict[str, Any] = {
        "channel": values.text(known.get("channel"), "channel"),
        "csi": values.text(known.get("csi"), "csi"),
        "rate": None if known.get("rate") is None else values.text(known["rate"], "rate"),
        "lose": values.number(known.get("lose"), "lose", 0, 1),
    }
    if made["channel"] not in symbol.MODELS or made["csi"] not in symbol.CSI:
        raise BadInput(f"{made['channel']} with {made['csi']} CSI is no channel", field="channel")
    for name in ("snr_db", "snr_enc_db"):
        made[name] = values.number(known.get(name), name, -100, 100)
    k_factor_db = known.get("k_factor_db")
    made["k_factor_db"] = None if k_factor_db is None else values.number(k_factor_db, "k_factor_db", -100, 100)
    for name in ("psnr_db_by_image", "psnr_db_standard_error_by_image"):
        made[name] = {
            image: None if value is None else values.number(value, name)
            for image, value in values.mapping(known.get(name, {}), name).items()
        }
    return made


def _place(point: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(round(value, 6) if isinstance(value, float) else value for value in map(point.get, _PLACE))


def _errors(points: int) -> float:
    """Standard errors that none of so many differences exceeds with ``CONFIDENCE``."""
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / points)


def _compared(
    recorded: Mapping[str, Any], again: Mapping[str, Any] | None, names: Sequence[str], apart: float | None
) -> Comparison:
    """One point of both, over the images that arrived in both; they may be so many standard errors apart, if known."""
    mine, theirs = recorded["psnr_db_by_image"], again["psnr_db_by_image"] if again else {}
    both = [name for name in names if mine.get(name) is not None and theirs.get(name) is not None]
    within: float | None = ROUNDING_DB
    if apart is not None:
        errors = [point.get("psnr_db_standard_error_by_image", {}) for point in (recorded, again or {})]
        each = [error.get(name) for error in errors for name in both]
        # where a picture has one draw nothing tells how far another may be
        within = None if None in each else apart * math.sqrt(sum(e**2 for e in each)) / max(1, len(both))
    return Comparison(
        **{name: recorded[name] for name in ("channel", "csi", "rate", "snr_db", "snr_enc_db")},
        recorded=_mean([mine[name] for name in both]),
        found=_mean([theirs[name] for name in both]),
        within=within,
    )


def _mean(of: Sequence[float]) -> float | None:
    return round(sum(of) / len(of), 4) if of else None
