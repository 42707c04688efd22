# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and verdict of what :mod:`.esisc` measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .figures import MARKERS, drawing, save

CLAIMED_TIMES = 100  # the paper's compression


def draw(record: Mapping[str, Any], out: Path) -> None:
    """Write quality.svg: ST-LPIPS, mIoU and PSNR over the SNR, at the first rate.

    Parameters
    ----------
    record : mapping
        Of :func:`.esisc.reproduce`.
    out : Path
        Folder.

    Raises
    ------
    Missing
        Matplotlib is not installed.
    """
    with drawing() as figure_type:
        figure = figure_type(figsize=(12, 4.2), layout="constrained")
        titles = {"st_lpips": "ST-LPIPS, less is nearer", "miou": "mIoU of the class map", "psnr_db": "PSNR, dB"}
        axes = figure.subplots(1, len(titles))
        rate = min(row["rate"] for row in record["rows"])
        for place, (key, title) in zip(axes, titles.items(), strict=True):
            for number, way in enumerate(_ways(record)):
                rows = sorted(
                    (row for row in record["rows"] if row["way"] == way and row["rate"] == rate),
                    key=lambda row: row["snr_db"],
                )
                x, y = [row["snr_db"] for row in rows], [row[key] for row in rows]
                place.plot(x, y, label=way, marker=MARKERS[number % len(MARKERS)], markersize=4)
            place.set_xlabel("SNR, dB (Es/N0 per complex symbol)")
            place.set_title(f"{title}, k/n = {rate:g}", fontsize=9)
            place.grid(True, alpha=0.3)
        figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc="outside right upper")
        save(figure, out / "quality.svg")


def _ways(record: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["way"] for row in record["rows"]))


def verdict(record: Mapping[str, Any]) -> str:
    """What was measured at each rate, and which claims hold, as a page.

    Parameters
    ----------
    record : mapping
        Of :func:`.esisc.reproduce`.

    Returns
    -------
    str
        Markdown; every number is from the record.
    """
    rates = sorted({row["rate"] for row in record["rows"]})
    snr = max({row["snr_db"] for row in record["rows"] if row["rate"] == rates[-1]})
    tables = "\n\n".join(_table(record, rate, snr) for rate in rates)
    claims = "\n".join(f"| {' | '.join(claim)} |" for claim in _claims(record, rates, snr))
    return f"""# "ES-ISC Demo": what becomes of its claims

Ye et al., measured anew with `{record["command"]}`: {len(record["pictures"])} photographs at
{record["size"][0]}x{record["size"][1]}, AWGN at symbol level, everything counted. `explain` sends all that the paper
does, `perception` what makes the picture nearest to the eye. ST-LPIPS: less is nearer. mIoU: of the class map that the
receiver has, sent or found in its picture, with that of the original. BLEU-4 and CIDEr-D: of the caption that it has,
sent or written of its picture by the same network, of {record["references"]} photographs that people described. "AVIF,
refined" is followed by the network that paints scenes.

| claim | measured | verdict |
| --- | --- | --- |
{claims}

{tables}

![Over the SNR](quality.svg)
"""


def _at(record: Mapping[str, Any], rate: float, snr: float) -> dict[str, dict[str, Any]]:
    return {row["way"]: row for row in record["rows"] if row["rate"] == rate and row["snr_db"] == snr}


def _table(record: Mapping[str, Any], rate: float, snr: float) -> str:
    rows = _at(record, rate, snr)
    judged = record["references"] > 0
    head = ["k/n sent", "ST-LPIPS", "PSNR, dB", "mIoU"] + (["BLEU-4", "CIDEr-D"] if judged else [])
    lines = [
        f"At {snr:g} dB and k/n = {rate:g}:",
        "",
        f"| way | {' | '.join(head)} |",
        "| --- " * (len(head) + 1) + "|",
    ]
    for way, row in rows.items():
        cells = [f"{row['kn']:.4f}", f"{row['st_lpips']:.3f}", f"{row['psnr_db']:.1f}", f"{row['miou']:.2f}"]
        cells += [f"{row['bleu4']:.3f}", f"{row['cider_d']:.2f}"] if judged else []
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _claims(record: Mapping[str, Any], rates: list[float], snr: float) -> list[tuple[str, str, str]]:
    small, large = (_at(record, rate, snr) for rate in (rates[0], rates[-1]))
    packed = record["compression"]
    claims = [
        (
            f"The image takes less than a {CLAIMED_TIMES}th of its bytes.",
            f"{packed['bytes']:,.0f} bytes, {packed['times']:.0f}-fold, with sub-images; "
            f"{packed['bytes_without_sub_images']:,.0f}, {packed['times_without_sub_images']:.0f}-fold, without.",
            "Holds." if packed["times"] > CLAIMED_TIMES else "Does not hold.",
        )
    ]
    for rate, rows in ((rates[0], small), (rates[-1], large)):
        peers = [row for way, row in rows.items() if not way.startswith("esisc")]
        nearest = min(rows.values(), key=lambda row: row["st_lpips"])
        own = min((row for way, row in rows.items() if way.startswith("esisc")), key=lambda row: row["st_lpips"])
        claims.append(
            (
                f"The rebuilt picture is nearer to the eye than its peers' (k/n = {rate:g}).",
                f"{own['way']} {own['st_lpips']:.3f}; nearest: {nearest['way']} {nearest['st_lpips']:.3f}.",
                "Holds." if own is nearest else f"Does not hold: {nearest['way']} is nearer.",
            )
        )
        if "esisc, explain" not in rows:
            continue
        told = rows["esisc, explain"]
        peer = max(peers, key=lambda row: row["miou"])
        claims.append(
            (
                f"Segmentation comes for nothing (k/n = {rate:g}).",
                f"The map that is sent: {told['miou']:.2f}; best of those found in a peer's picture: {peer['way']} "
                f"{peer['miou']:.2f}.",
                "Holds." if told["miou"] >= peer["miou"] else f"Does not hold: {peer['way']} shows more.",
            )
        )
        if "cider_d" in told:
            peer = max(
                (row for way, row in rows.items() if not way.startswith("esisc")), key=lambda row: row["cider_d"]
            )
            claims.append(
                (
                    f"Captioning comes for nothing (k/n = {rate:g}).",
                    f"CIDEr-D of the text that is sent: {told['cider_d']:.2f}; best of those written of a peer's "
                    f"picture: {peer['way']} {peer['cider_d']:.2f}.",
                    "Holds." if told["cider_d"] >= peer["cider_d"] else f"Does not hold: {peer['way']} is better.",
                )
            )
    return claims
