# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/coders.md`` about what coders reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .pages import named
from .results import Record, Results, at, chosen, one, published
from .words import (
    LEVEL,
    each,
    listed,
    more,
    of_what,
    outage,
    paragraph,
    percent,
    ranged,
    rounded,
    scatter,
    shown,
    signed,
    spread,
    standings,
    table,
    told,
)

KODAK = (1, 4, 7, 10, 13, 20)  # dB, columns of the tables of Kodak
SHORT = (1, 4, 7, 10, 13)  # where curves of others are published
MASKED = (1, 5, 10, 20, None)  # None: no noise
TRAINED = {"original": "trained on whole images", "masked": "trained on masked images"}


def columns(head: str, at_db: tuple[float, ...]) -> list[str]:
    """Head of a table over Es/N0."""
    return [head, *(f"{snr_db:g} dB" for snr_db in at_db)]


def differences(
    one: Mapping[float, Record], other: Mapping[float, Record], at_db: tuple[float, ...]
) -> dict[float, float]:
    """PSNR of one less that of another, dB, by Es/N0."""
    return {snr_db: at(one, snr_db)["psnr_db"] - at(other, snr_db)["psnr_db"] for snr_db in at_db}


def compared(
    one: Mapping[float, Record],
    other: Mapping[float, Record],
    at_db: tuple[float, ...],
    of: str,
    otherwise: float = LEVEL,
) -> str:
    """How one stands to the other; level within their scatter, or ``otherwise`` dB where that is not known."""
    level = {snr_db: scatter(at(one, snr_db), at(other, snr_db), otherwise) for snr_db in at_db}
    return standings(differences(one, other, at_db), of, level)


def realisations(points: Iterable[Record], what: str) -> str:
    """How often the channel was drawn for each image, in words."""
    counts = spread((point["pictures"] / point["images"] for point in points), 0)
    return f"{counts} {what}{'' if counts == '1' else 's'}"


def capacity(results: Results) -> dict[float, float]:
    """PSNR of AVIF at the bytes that a perfect code would carry, by Es/N0."""
    record = results["codecs"]
    return dict(zip(record["snr_db"], record["codecs"]["avif"]["psnr_db"], strict=True))


def sweep_row(results: Results, label: str, name: str, at_db: tuple[float, ...] = KODAK, **having: object) -> list[str]:
    """PSNR of a sweep as a row of a table."""
    points = results.points(name, **having)
    return [label, *(shown(at(points, snr_db)) for snr_db in at_db)]


@named("coders-kodak")
def kodak(results: Results) -> list[str]:
    masked = {
        row["snr_db"]: row
        for row in chosen(results["samsc"]["kodak"], scheme="samsc", variant="masked", channel="awgn")
    }
    rows = [
        sweep_row(results, "`softcast`, fixed allocation", "kodak_softcast_fixed"),
        sweep_row(results, "`softcast`", "kodak_softcast"),
        sweep_row(results, "`samsc`, trained on whole images", "kodak_samsc"),
        sweep_row(results, "`semcom`, one model", "kodak_semcom"),
        ["`samsc`, trained on masked images", *(shown(at(masked, snr_db)) for snr_db in KODAK)],
        sweep_row(results, "`deepjscc` `original`, one network, 25 minutes of one core", "kodak_deepjscc"),
        sweep_row(results, "`deepjscc` `gdn`, one network, 13.5 minutes of one core", "kodak_deepjscc_gdn"),
        sweep_row(results, "`witt`, a quarter as wide as its paper's, 50 minutes of one core", "kodak_witt"),
    ]
    for label, curve in (
        ("AVIF + capacity", capacity(results)),
        ("SwinJSCC, one model, published", published("SwinJSCC, one model")),
    ):
        rows.append([f"*{label}*", *(f"*{rounded(curve[snr_db])}*" if snr_db in curve else "" for snr_db in KODAK)])
    return table(columns("Es/N0", KODAK), rows)


@named("coders-masked")
def masked_images(results: Results) -> list[str]:
    rows = []
    for scheme, variant, label in (
        ("softcast", "original", "`softcast`, fixed allocation"),
        *(("samsc", variant, f"`samsc`, {how}") for variant, how in TRAINED.items()),
    ):
        points = {row["snr_db"]: row for row in chosen(results["samsc"]["voc_masked"], scheme=scheme, variant=variant)}
        cells = [at(points, snr_db) for snr_db in MASKED] if None in points else []
        rows.append([label, *(f"{shown(point, 'roi_psnr_db')} ({shown(point)})" for point in cells)])
    return table(["Es/N0", *(f"{snr_db} dB" for snr_db in MASKED if snr_db), "no noise"], rows)


@named("coders-noise-told")
def noise_told(results: Results) -> list[str]:
    rows = results["samsc"]["noise_told"]
    errors = sorted({row["told_db"] for row in rows})
    said = []
    for snr_db in sorted({row["snr_db"] for row in rows}):
        cells = [one(results["samsc"], "noise_told", snr_db=snr_db, told_db=error)["psnr_db"] for error in errors]
        said.append(f"at {snr_db:g} dB {', '.join(each(cells, 2))} dB")
    return paragraph(
        f"Told of {', '.join(signed(error, 0) for error in errors)} dB more noise than there is, it has on Kodak",
        f"{listed(said)} (`results/samsc.json`).",
    )


@named("coders-st-lpips")
def st_lpips(results: Results) -> list[str]:
    rows = []
    for label, name in (("`semcom`", "st_lpips_semcom"), ("`semcom`, `perceptual`", "st_lpips_semcom_perceptual")):
        points = results.points(name)
        cells = [at(points, snr_db) for snr_db in KODAK]
        rows.append([label, *(f"{shown(point, 'st_lpips', 3)} ({shown(point)})" for point in cells)])
    return table(columns("ST-LPIPS (PSNR, dB)", KODAK), rows)


def least_gain(one: Mapping[float, Record], other: Mapping[float, Record], at_db: tuple[float, ...]) -> float:
    """Of all images and Es/N0, the least that one is ahead of the other, dB."""
    return min(
        value - at(other, snr_db)["psnr_db_by_image"][image]
        for snr_db in at_db
        for image, value in at(one, snr_db)["psnr_db_by_image"].items()
    )


@named("coders-allocation")
def allocation(results: Results) -> list[str]:
    one, other = results.points("kodak_softcast"), results.points("kodak_softcast_fixed")
    low, low_other = (results.points(name, rate="1/48") for name in ("rates_softcast", "rates_softcast_fixed"))
    return paragraph(
        f"At k/n 1/12 `softcast` is {compared(one, other, SHORT, 'the fixed allocation')}, on no image less than",
        f"{rounded(least_gain(one, other, SHORT))} dB; at k/n 1/48",
        f"{ranged(differences(low, low_other, SHORT).values())}, on no image less than",
        f"{rounded(least_gain(low, low_other, SHORT))} dB (`results/kodak_softcast_fixed.json`,",
        "`rates_softcast_fixed.json`; where no map is worth its uses there is none).",
    )


@named("coders-semcom")
def semcom(results: Results) -> list[str]:
    ours, softcast, fixed = (results.points(f"kodak_{name}") for name in ("semcom", "softcast", "softcast_fixed"))
    swin = published("SwinJSCC, one model")
    behind = {snr_db: swin[snr_db] - at(ours, snr_db)["psnr_db"] for snr_db in SHORT}
    gains = differences(ours, fixed, KODAK)
    return paragraph(
        f"`semcom` stands on the same allocation, map and base, and is {compared(ours, softcast, KODAK, '`softcast`')}",
        f"with its own allocation, and {ranged(gains.values(), 'the fixed one')}; SwinJSCC is",
        f"{standings(behind, 'it')}.",
    )


@named("coders-settings")
def settings(results: Results) -> list[str]:
    names = {"`semcom`": "semcom", "`softcast`": "softcast", "fixed": "softcast_fixed"}
    return table(
        ["", ""],
        [
            _rates(results, names),
            _mismatch(results),
            _loss(results),
            *(_fading(results, names, csi) for csi in ("ideal", "pilot")),
        ],
    )


def _rates(results: Results, names: Mapping[str, str]) -> list[str]:
    rates = ("1/48", "1/24", "1/12", "1/6")
    ours, *others = (
        listed_at(label, [shown(results.point(f"rates_{name}", rate=rate, snr_db=7)) for rate in rates], first=not n)
        for n, (label, name) in enumerate(names.items())
    )
    return [f"k/n {', '.join(rates)} at 7 dB", f"{ours} ({'; '.join(others)}; `results/rates_*.json`)"]


def listed_at(label: str, texts: list[str], first: bool) -> str:
    """Figures of a scheme, the first with its unit and without its name."""
    return f"{', '.join(texts)} dB" if first else f"{label} {', '.join(texts)}"


def _mismatch(results: Results) -> list[str]:
    texts = []
    for name in ("semcom", "softcast"):
        point = results.point(f"mismatch_{name}", snr_enc_db=10, snr_db=1)
        change = point["psnr_db"] - at(results.points(f"kodak_{name}"), 1)["psnr_db"]
        texts.append((shown(point), change))
    (ours, change), (softcast, other) = texts
    return [
        "encoder set to 10 dB, channel at 1 dB",
        f"{ours} dB, {more(change, 'dB')} than matched (`softcast` {softcast}, {more(other, 'dB')};"
        " `results/mismatch_*.json`)",
    ]


def _loss(results: Results) -> list[str]:
    point = results.point("loss_semcom", snr_db=10, lose=0.05)
    change = point["psnr_db"] - at(results.points("kodak_semcom"), 10)["psnr_db"]
    return [
        f"{percent(point['lose'])} of the fragments lost at 10 dB",
        f"{shown(point)} dB, {more(change, 'dB')} than with all (`results/loss_semcom.json`)",
    ]


def _fading(results: Results, names: Mapping[str, str], csi: str) -> list[str]:
    record = "rayleigh" if csi == "ideal" else f"rayleigh_{csi}"
    points = {label: results.point(f"{record}_{name}", snr_db=10) for label, name in names.items()}
    shares = (
        f"{label} of the {' or '.join(sorted({of_what(point, share) for point in points.values()}))}"
        for share, label in (("0.1", "10 %"), ("0.01", "1 %"))
    )
    ours, *others = (
        listed_at(label, [shown(point), *(rounded(outage(point, share)) for share in ("0.1", "0.01"))], first=not n)
        for n, (label, point) in enumerate(points.items())
    )
    fades = realisations(points.values(), "fade")
    source = "; `results/rayleigh_*.json`" if csi == "ideal" else ""
    return [
        f"block Rayleigh at 10 dB, {csi} CSI, {fades} of each image: mean{told(points.values())};"
        f" not exceeded by {', by '.join(shares)}",
        f"{ours} ({'; '.join(others)}{source})",
    ]
