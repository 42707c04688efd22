# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of what sweeps measured. The same files give the same figure, byte for byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import plain, values
from ..errors import BadInput, Missing
from ..files import read_json, replace
from . import anchors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {
    "psnr": ("psnr_db", "PSNR, dB"),
    "ms_ssim": ("ms_ssim", "MS-SSIM"),
    "st_lpips": ("st_lpips", "ST-LPIPS"),
    "recognition": ("recognition", "share of objects recognised"),
    "resegmentation": ("resegmentation", "IoU of the object with SAM's mask of it"),
    "detection": ("detection", "share of objects detected"),
}
AXES = {
    "snr": "Es/N0 per complex symbol, dB",
    "rate": "payload k/n, complex uses per real source value",
    "error": "Es/N0 that the transmitter assumes, less what there is, dB",
}
SUFFIXES = {".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None}}
MARKERS = "osD^vP*X<>"
MAX_TEXT = 200  # characters of a name in a figure
MAX_FIGURE = 1e6  # of a metric
MIN_RATIO = 1e-9
MAX_LINES, MAX_POINTS = 200, 20_000  # more of which nobody could tell apart


@dataclass(frozen=True)
class Line:
    """What one line shows.

    Attributes
    ----------
    traits : dict of str to str
        What sets it apart from the others.
    x, y : tuple of float
        Its points, in order of x.
    outage : tuple of float or None
        What 10 % of the draws of an image do not exceed, of PSNR, mean over the images; None where there are too few.
    interval : tuple of float
        Half of the 95 % interval of each y over the draws of the channel; 0 where there is a single draw.
    """

    traits: dict[str, str]
    x: tuple[float, ...]
    y: tuple[float, ...]
    outage: tuple[float | None, ...]
    interval: tuple[float, ...]


def plot(
    files: Sequence[Path],
    out: Path,
    metric: str = "psnr",
    x: str = "snr",
    channel: str | None = None,
    beside: Path | None = None,
) -> None:
    """Draw the records of sweeps.

    One line for each scheme, channel, channel knowledge and rate (or SNR, over the rate or its error), named by what
    differs between them, with a bar for the 95 % interval over the draws of the channel; the 10 % outage of PSNR by
    the fades dashed, where there are enough draws to tell. Published figures stand beside in grey where the images are
    the 24 of Kodak at k/n = 1/12 over AWGN.

    Parameters
    ----------
    files : sequence of Path
        JSON files that sweeps wrote.
    out : Path
        SVG, PNG or PDF by its suffix.
    metric : str
        Of ``METRICS``.
    x : str
        Of ``AXES``.
    channel : str, optional
        Only its points; by default all.
    beside : Path, optional
        Curves that stand beside instead of the published ones, whatever the images are, see :func:`.anchors.read`.

    Raises
    ------
    BadInput
        A file is no record of a sweep, there is nothing of this metric in them, or ``out`` cannot be written.
    Missing
        Matplotlib is not installed.
    """
    for name, value, known in (("metric", metric, METRICS), ("x", x, AXES), ("out", out.suffix.lower(), SUFFIXES)):
        if value not in known:
            raise BadInput(f"{value} is not known; choose {', '.join(known)}", field=name)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Missing(f"figures need {error.name or 'matplotlib'}; install it with pip install '.[sweep]'") from None
    records = [read(file) for file in files]
    others = anchors.read(beside) if beside else anchors.ANCHORS if any(map(_is_anchored, records)) else ()
    for record in records:
        record["points"] = [p for p in record["points"] if channel in (None, p["channel"])]
    lines = _lines(records, METRICS[metric][0], x)
    if not lines:
        over = f" over {channel}" if channel else ""
        raise BadInput(f"there is no {metric}{over} in {', '.join(map(str, files))}; sweep with that metric")
    for count, most, what in ((len(lines), MAX_LINES, "lines"), (sum(len(i.x) for i in lines), MAX_POINTS, "points")):
        if count > most:
            raise BadInput(f"the figure would have {count:,} {what} where {most:,} can be told apart; name fewer files")
    # text as text, which is never a formula, and names of parts by their content: the same figure from the same numbers
    settings = {"svg.hashsalt": "semcom", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        if x == "snr":
            _draw_anchors(axes, [anchor for anchor in others if anchor.metric == metric])
        _draw(axes, lines)
        axes.set_xlabel(AXES[x])
        axes.set_ylabel(METRICS[metric][1])
        axes.set_title(_title(lines), fontsize=9)
        axes.grid(True, alpha=0.3)
        figure.legend(fontsize=7, loc="outside right upper")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{out} cannot be written ({error.strerror}); name a file you may write to") from None
        kind, about = out.suffix.lower()[1:], SUFFIXES[out.suffix.lower()]
        replace(out, lambda stream: figure.savefig(stream, format=kind, metadata=about))


def read(file: Path) -> dict[str, Any]:
    """A record of a sweep, as far as it is drawn.

    Parameters
    ----------
    file : Path
        JSON file that a sweep wrote.

    Returns
    -------
    dict
        ``file``, ``scheme``, ``images`` and ``points``.

    Raises
    ------
    BadInput
        It is something else.
    """
    record = read_json(file, "a record of a sweep")
    try:
        known = values.mapping(record, "it")
        images = values.mapping(known.get("images"), "images")
        variant = known.get("variant")
        return {
            "file": file.stem,
            "scheme": values.text(known.get("scheme"), "scheme", MAX_TEXT)
            + (f" {values.text(variant, 'variant', MAX_TEXT)}" if variant else ""),
            "images": frozenset(values.text(name, "images") for name in values.listed(images.get("names"), "images")),
            "points": [_point(point) for point in values.listed(known.get("points"), "points")],
        }
    except BadInput as error:
        raise BadInput(f"{file} is no record of a sweep: {error}; give files that `semcom sweep` wrote") from None


def _point(point: Any) -> dict[str, Any]:
    """What is drawn of a point."""
    known = values.mapping(point, "points")
    made: dict[str, Any] = {name: values.text(known.get(name), name, MAX_TEXT) for name in ("channel", "csi")}
    made["rate"] = None if known.get("rate") is None else values.text(known["rate"], "rate", MAX_TEXT)
    for name, low, high in (("snr_db", -1000, 1000), ("snr_enc_db", -1000, 1000), ("lose", 0, 1)):
        made[name] = values.number(known.get(name), name, low, high)
    made["payload_kn"] = values.number(known.get("payload_kn"), "payload_kn", MIN_RATIO, 1 / MIN_RATIO)
    for name, _ in METRICS.values():
        made[name] = _figure(known.get(name), name)
    # a sweep of before there were intervals has neither
    errors, outage = (values.mapping(known.get(name, {}), name) for name in ("standard_error", "psnr_fade_outage_db"))
    made["standard_error"] = {name: _figure(errors.get(name), "standard_error") for name, _ in METRICS.values()}
    return made | {"psnr_fade_outage_db": {"0.1": _figure(outage.get("0.1"), "psnr_fade_outage_db")}}


def _figure(value: Any, name: str) -> float | None:
    return None if value is None else values.number(value, name, -MAX_FIGURE, MAX_FIGURE)


def _lines(records: Sequence[dict[str, Any]], key: str, x: str) -> list[Line]:
    """Points of a file that differ in x only make a line; those without a value are left out."""
    found: dict[tuple[int, tuple[tuple[str, str], ...]], list[tuple[float, float, float | None, float]]] = {}
    sets = list(dict.fromkeys(record["images"] for record in records))
    for number, record in enumerate(records):
        for point in record["points"]:
            if point.get(key) is None:
                continue
            traits = {
                "scheme": record["scheme"],
                "channel": point["channel"],
                "csi": f"{point['csi']} CSI",
                "lost": f"{point['lose']:.0%} lost",
                "encoder": "" if x == "error" else _assumed(point),
                "images": f"{len(record['images'])} images"
                + (f", set {sets.index(record['images']) + 1}" if len(sets) > 1 else ""),
            }
            if x != "rate":
                traits["rate"] = f"k/n {point['rate'] or _ratio(point['payload_kn'])}"
            if x != "snr":
                traits["snr"] = f"{point['snr_db']:g} dB"
            place = {
                "snr": point["snr_db"],
                "rate": point["payload_kn"],
                "error": point["snr_enc_db"] - point["snr_db"],
            }[x]
            outage = point["psnr_fade_outage_db"]["0.1"] if key == "psnr_db" else None
            # where nothing fades or is lost the spread is that of the noise
            outage = None if point["channel"] == "awgn" and not point["lose"] else outage
            interval = 1.96 * (point["standard_error"][key] or 0.0)
            found.setdefault((number, tuple(traits.items())), []).append((place, point[key], outage, interval))
    # two files of the same, with other seeds or weights perhaps, are told apart by their names
    alike = len({traits for _, traits in found}) < len(found)
    return [
        Line(
            dict(traits) | ({"file": records[number]["file"]} if alike else {}),
            *zip(*sorted(places, key=lambda p: p[0]), strict=True),
        )
        for (number, traits), places in found.items()
    ]


def _assumed(point: dict[str, Any]) -> str:
    return "" if point["snr_enc_db"] == point["snr_db"] else f"encoder assumes {point['snr_enc_db']:g} dB"


def _ratio(value: float) -> str:
    """0.08333 -> 1/12."""
    whole = round(1 / value)
    return f"1/{whole}" if math.isclose(value * whole, 1, rel_tol=0.005) else f"{value:.4f}"


def _differing(lines: Sequence[Line]) -> list[str]:
    return [name for name in lines[0].traits if len({line.traits[name] for line in lines}) > 1]


def _title(lines: Sequence[Line]) -> str:
    """What all lines have in common."""
    names = [name for name in lines[0].traits if name not in _differing(lines)]
    common = [lines[0].traits[name] for name in names]
    return _shown(", ".join(text for text in common if text and text != "0% lost"))


def _shown(text: str) -> str:
    """In a figure: one line, and never a label that is left out, as Matplotlib does with one that begins with ``_``."""
    text = plain.line(text)
    return f" {text}" if text.startswith("_") else text


def _draw(axes: Axes, lines: Sequence[Line]) -> None:
    names = _differing(lines)
    for number, line in enumerate(lines):
        label = _shown(", ".join(filter(None, (line.traits[name] for name in names))) or line.traits["scheme"])
        style = {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)], "markersize": 4}
        axes.errorbar(line.x, line.y, yerr=line.interval, capsize=2, elinewidth=0.8, label=label, **style)
        known = [(x, y) for x, y in zip(line.x, line.outage, strict=True) if y is not None]
        if known:
            axes.plot(*zip(*known, strict=True), linestyle="--", label=f"{label}: 10 % outage", **style)


def _is_anchored(record: dict[str, Any]) -> bool:
    return record["images"] == anchors.IMAGES and any(
        point["channel"] == "awgn"
        and not point["lose"]
        and math.isclose(point["payload_kn"], anchors.RATE, rel_tol=0.005)
        for point in record["points"]
    )


def _draw_anchors(axes: Axes, others: Sequence[anchors.Anchor]) -> None:
    for number, anchor in enumerate(others):
        marker = MARKERS[number % len(MARKERS)]
        style = {"color": "0.6", "marker": marker, "markersize": 3, "linewidth": 0.8, "zorder": 1}
        axes.plot(list(anchor.points), list(anchor.points.values()), label=_shown(anchor.label), **style)
