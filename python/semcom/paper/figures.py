# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and verdict of what :mod:`.samsc` measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import Missing
from ..files import replace
from ..image import metrics
from ..segment import cut_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 192  # pixels of a picture in Fig. 6
MARKERS = "osD^vP*X<>"
Curves = dict[tuple[str, str], list[dict[str, Any]]]


def draw(record: Mapping[str, Any], out: Path, pictures: Mapping[str, Any]) -> None:
    """Write fig4.svg, fig5.svg and fig6.svg.

    Parameters
    ----------
    record : mapping
        Of :func:`.samsc.reproduce`.
    out : Path
        Folder.
    pictures : mapping
        For Fig. 6: the original, its mask, and what arrived.

    Raises
    ------
    Missing
        Matplotlib is not installed.
    """
    with drawing() as figure_type:
        for name, channels in (("fig4", ("awgn",)), ("fig5", ("rayleigh", "real gain"))):
            figure = figure_type(figsize=(11, 4.6), layout="constrained")
            _curves(figure, _curves_of(record), channels)
            save(figure, out / f"{name}.svg")
        save(_panels(figure_type, pictures), out / "fig6.svg")


@contextmanager
def drawing() -> Iterator[type[Figure]]:
    """Matplotlib, set so that a figure is the same bytes each time.

    Yields
    ------
    type
        Its ``Figure``.

    Raises
    ------
    Missing
        Matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Missing(f"figures need {error.name or 'matplotlib'}; install it with pip install '.[sweep]'") from None
    settings = {"svg.hashsalt": "semcom", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    with matplotlib.rc_context(settings):
        yield Figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, the same bytes each time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn.
    path : Path
        File.
    """
    replace(path, lambda stream: figure.savefig(stream, format="svg", metadata={"Date": None}))


def _curves_of(record: Mapping[str, Any]) -> Curves:
    curves: Curves = {}
    for row in sorted(record["rows"], key=lambda row: row["snr_db"]):
        curves.setdefault((row["way"], row["channel"]), []).append(row)
    return curves


def _curves(figure: Figure, curves: Curves, channels: tuple[str, ...]) -> None:
    axes = figure.subplots(1, 2)
    titles = ("whole frame, as the paper has it", "within the region")
    for place, key, title in zip(axes, ("psnr_db", "roi_psnr_db"), titles, strict=True):
        ways = list(dict.fromkeys(way for way, _ in curves))
        for number, way in enumerate(ways):
            style = {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
            for channel in channels:
                rows = curves.get((way, channel))
                if not rows:
                    continue
                x, y = [row["snr_db"] for row in rows], [row[key] for row in rows]
                errors = [row.get(f"{key}_error", 0.0) for row in rows]
                real = channel == "real gain"
                label = f"{way}, real gain" if real else way
                place.errorbar(x, y, errors, label=label, linestyle="--" if real else "-", capsize=2, **style)
            if way.startswith("samsc") and (way, channels[0]) in curves:
                _other_reading(place, curves[way, channels[0]], key, f"{way}, dB taken for the ratio", style["color"])
        place.set_xlabel("SNR, dB (Es/N0 per complex symbol)")
        place.set_ylabel("PSNR, dB")
        place.set_title(title, fontsize=9)
        place.grid(True, alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc="outside right upper")


def _other_reading(axes: Axes, rows: list[dict[str, Any]], key: str, label: str, colour: str) -> None:
    """The curve where x on the axis is a ratio of x, and not x dB."""
    x = [row["snr_db"] for row in rows if row["snr_db"] >= 1]
    y = [at_label(rows, key, label_db) for label_db in x]
    axes.plot(x, y, label=label, linestyle=":", color=colour)


def at_label(rows: list[dict[str, Any]], key: str, label: float) -> float:
    """The figure at a ratio of ``label``, 10 log10(label) dB, between the points that were measured."""
    known = [row["snr_db"] for row in rows], [row[key] for row in rows]
    return float(np.interp(10 * math.log10(label), *known))


def _panels(figure_type: type[Figure], pictures: Mapping[str, Any]) -> Figure:
    rows, snrs = pictures["rows"], pictures["snrs"]
    figure = figure_type(figsize=(2.1 * (len(snrs) + 1), 2.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(snrs) + 1, squeeze=False)
    for line, (way, received) in zip(axes, rows.items(), strict=True):
        masked = "masked" in way
        shown = cut_out(pictures["original"], pictures["mask"]) if masked else pictures["original"]
        _panel(line[0], shown, f"{way}: sent")
        for place, snr, picture in zip(line[1:], snrs, received, strict=True):
            whole = metrics.psnr(shown, picture)
            region = metrics.roi_psnr(pictures["original"], picture, pictures["mask"])
            _panel(place, picture, f"{snr:g} dB: {whole:.1f} dB, region {region:.1f} dB")
    return figure


def _panel(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(np.asarray(Image.fromarray(picture).resize((PANEL, PANEL), Image.Resampling.LANCZOS)))
    axes.set_title(title, fontsize=6)
    axes.axis("off")


def verdict(record: Mapping[str, Any]) -> str:
    """Claim, what was measured, verdict, as a page.

    Parameters
    ----------
    record : mapping
        Of :func:`.samsc.reproduce`.

    Returns
    -------
    str
        Markdown; every number is from the record.
    """
    curves = _curves_of(record)

    def at(way: str, channel: str, snr: float, key: str = "psnr_db") -> float:
        rows = curves[way, channel]
        return float(np.interp(snr, [row["snr_db"] for row in rows], [row[key] for row in rows]))

    def gain(channel: str, snr: float, key: str) -> float:
        return at("samsc, masked", channel, snr, key) - at("samsc, original", channel, snr, key)

    def more(way: str) -> float:
        return at(way, "awgn", 10, "roi_psnr_db") - at("samsc, masked", "awgn", 10, "roi_psnr_db")

    original = curves["samsc, original", "awgn"]
    sent, cut = "samsc, original", "samsc, masked"
    uses = {way: rows[0]["kn"] for (way, channel), rows in curves.items() if channel == "awgn"}
    ahead = [way for way in ("segsc", "semcom, importance") if (way, "awgn") in curves]
    clear = at(sent, "awgn", 10)
    rows = [
        (
            "A masked image arrives with a higher PSNR than the original (Fig. 4).",
            f"At 10 dB over AWGN {gain('awgn', 10, 'psnr_db'):+.1f} dB over the whole frame and "
            f"{gain('awgn', 10, 'roi_psnr_db'):+.1f} dB within the region. A region that covers "
            f"{record['share_of_the_region']:.0%} of the frame on average gives {record['black_background_db']:.1f} dB "
            "for its black background alone; what is left is power that the black does not need.",
            _holds(gain("awgn", 10, "roi_psnr_db")),
        ),
        (
            "So it does over Rayleigh fading (Fig. 5).",
            f"At 10 dB over block fading with a complex gain {gain('rayleigh', 10, 'psnr_db'):+.1f} dB over the frame, "
            f"{gain('rayleigh', 10, 'roi_psnr_db'):+.1f} dB within the region.",
            _holds(gain("rayleigh", 10, "roi_psnr_db")),
        ),
        (
            "Rayleigh fading costs little against AWGN.",
            f"At 10 dB the original loses {clear - at(sent, 'real gain', 10):.1f} dB with a real gain for each symbol "
            f"of which the receiver is not told, and {clear - at(sent, 'rayleigh', 10):.1f} dB with a complex gain "
            "for each burst that it knows.",
            "Not comparable: a real gain has no phase, and without knowledge of the phase there is no picture.",
        ),
        (
            "The SNR axis is in decibels.",
            "If the number of decibels was taken for the ratio, what stands at 10 was measured at 10 dB, and what "
            f"stands at 20 at 13 dB: {at_label(original, 'psnr_db', 20):.1f} instead of {at(sent, 'awgn', 20):.1f} dB "
            f"for the original; what stands at 2 at 3 dB: {at_label(original, 'psnr_db', 2):.1f} instead of "
            f"{at(sent, 'awgn', 2):.1f} dB.",
            "Both readings are drawn.",
        ),
        (
            "Sending the necessary segments only lowers the overhead.",
            f"The coder spends k/n = {uses[sent]:.4f} on the original and {uses[cut]:.4f} on the masked image: nothing "
            "is saved by black pixels."
            + "".join(
                f" {way} gives the region {more(way):+.1f} dB at 10 dB with k/n = {uses[way]:.4f}, and the rest "
                "arrives too."
                for way in ahead
            ),
            "False for the paper's coder; true where importance enters the allocation.",
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# "Segment Anything Meets Semantic Communication": what becomes of its claims

Tariq et al., 2023, measured anew with `{record["command"]}`: {len(record["pictures"])} photographs at
{record["size"][0]}x{record["size"][1]}, cut out by SAM prompted with a box. Figures are means; their standard errors
are in `figures.json` and in the plots. The weights are this project's own, trained as the paper says, for minutes.

| claim | measured | verdict |
| --- | --- | --- |
{table}

![PSNR over the SNR, AWGN](fig4.svg)

![PSNR over the SNR, Rayleigh fading](fig5.svg)

![Pictures](fig6.svg)
"""


def _holds(gain: float) -> str:
    if gain > 1.5:
        return "Holds within the region too."
    if gain > 0.5:
        return "Holds for the frame; within the region little is left of it."
    return "Holds for the frame only: within the region there is no gain." if gain > -0.5 else "Reversed in the region."
