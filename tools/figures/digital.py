# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/digital.md``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from .coders import KODAK, SHORT, capacity, columns, compared, realisations, sweep_row
from .pages import named
from .results import Missing, Record, Results, at, chosen
from .words import (
    each,
    listed,
    of_what,
    outage,
    paragraph,
    percent,
    rounded,
    shown,
    signed,
    spread,
    standings,
    table,
    told,
)

CLIFF = (1, 2, 3, 4, 7, 10, 13, 20)
# dB that curves may lie apart and are said to be level: with few draws of the channel their points scatter as much
APART_AWGN, APART_FADING = 0.3, 0.5


@named("digital-fec")
def fec(results: Results) -> list[str]:
    record = results["fec"]
    uncoded = [row["distance_db"] for row in record["uncoded"]["by_modulation"].values()]
    k7, ldpc = record["convolutional"]["by_rate"], record["ldpc"]["by_rate"]
    loss = [record[name]["further_loss_db"] for name in ("waveform_ldpc", "waveform_k7")]
    speed = record["throughput"]
    rows = [
        [
            "`uncoded`: BPSK to 256-QAM at BER 1e-3, from theory",
            f"{signed(min(uncoded), 2)} to {signed(max(uncoded), 2)} dB",
        ],
        [
            "`convolutional`: K = 7, rates 1/2, 2/3, 3/4, soft, at BER 1e-5, from the union bound",
            f"{', '.join(each((k7[rate]['distance_db'] for rate in ('0.500', '0.667', '0.750')), 2))} dB",
        ],
        [
            "`ldpc`: NR LDPC, rates 1/5, 1/2, 3/4, 0.9 at BER 1e-4, from the binary-input limit",
            f"{', '.join(each((ldpc[rate]['distance_db'] for rate in ('1/5', '1/2', '3/4', '0.9')), 2))} dB",
        ],
        [
            "`waveform_ldpc`, `waveform_k7`: QPSK 1/2 over the full waveform, further loss",
            f"{', '.join(each(loss, 2))} dB",
        ],
        [
            "`throughput`: LDPC (1800, 902) beside GNU Radio's decoder; K = 7 beside GNU Radio's blocks",
            f"{rounded(speed['nr_ldpc_mbps'])} and {rounded(speed['gnuradio_ldpc_mbps'], 3)} Mbit/s;"
            f" {rounded(speed['conv_code_mbps'], 0)} and {rounded(speed['gnuradio_cc_mbps'], 0)} Mbit/s",
        ],
    ]
    return table(["ROW", "measured"], rows)


@named("digital-gnuradio")
def gnuradio(results: Results) -> list[str]:
    record = results["fec"]
    ldpc, polar, soft = (record[f"gnuradio_{name}"] for name in ("ldpc", "polar", "soft_decisions"))
    ours = ldpc["nr_ldpc_measured_db"] - ldpc["limit_db"]
    behind = min(polar["measured_db"].values()) - polar["nr_ldpc_measured_db"]
    theirs = soft["by_way"]["constellation_soft_decoder_cf"]
    costs, ber = _costs(theirs["ber_after_ldpc"], soft["by_way"]["ours"]["ber_after_ldpc"])
    return paragraph(
        "Of GNU Radio 3.10.5's own coders the K = 7 code holds up and is what `--mcs 32` to `39` run. Its longest",
        f"stock LDPC code is {rounded(ldpc['distance_db'])} dB from the limit at BER 1e-4 (rows `gnuradio_ldpc`; NR",
        f"LDPC of the same size {rounded(ours)} dB), its polar code ({polar['coded_bits']}, {polar['info_bits']})",
        f"{rounded(behind)} dB behind NR LDPC of its size (`gnuradio_polar`), and its soft decisions for 16-QAM are",
        f"{percent(theirs['relative_rms_error'])} off the exact ratios, which costs {rounded(costs)} dB behind the",
        f"code at BER {ber:.2g} (`gnuradio_soft_decisions`): that is why LDPC and demapper are ours. They are GNU",
        "Radio FEC coders and a block, so they fit into GNU Radio's own chains",
        "(`examples/headless/digital_chain.grc`).",
    )


def _costs(theirs: Mapping[str, float], ours: Mapping[str, float]) -> tuple[float, float]:
    """What soft decisions cost behind a code, dB, at the least BER of ours that has errors to count, and that BER."""
    snr, ber = min(((float(snr), ber) for snr, ber in ours.items() if ber > 0), key=lambda point: point[1])
    curve = sorted((float(snr), ber) for snr, ber in theirs.items() if ber > 0)
    for (low, high_ber), (high, low_ber) in pairwise(curve):
        if low_ber <= ber <= high_ber:
            share = math.log(high_ber / ber) / math.log(high_ber / low_ber)
            return low + share * (high - low) - snr, ber
    raise Missing(f"the curves of results/fec.json do not meet at BER {ber:.2g}")


@named("digital-codecs")
def codecs(results: Results) -> list[str]:
    record = results["codecs"]
    rows = []
    for label, name in (("AVIF", "avif"), ("JPEG 2000", "jpeg2000"), ("JPEG", "jpeg")):
        codec = record["codecs"][name]
        rows.append([label, *each(codec["psnr_db"]), f"{spread(codec['encode_s'])} s"])
    head = [f"{snr_db} dB" for snr_db in record["snr_db"]]
    return table(["PSNR, dB", *head, "encoding to a size, one thread"], rows)


CURVES = ("avif_4", "avif_auto", "jpeg2000_4", "jpeg2000_auto", "jpeg_4", "jpeg_auto", "samsc", "semcom", "softcast")
FADING = ("avif_4", "avif_auto", "jpeg2000_auto", "samsc", "semcom", "softcast")


@named("digital-cliff-of")
def cliff_of(results: Results) -> list[str]:
    records = [results[f"cliff_{name}"] for name in CURVES], [results[f"rayleigh_{name}"] for name in FADING]
    awgn, fading = ([point for record in some for point in record["points"]] for some in records)
    snrs = [point["snr_db"] for point in awgn]
    images = spread((record["images"]["count"] for some in records for record in some), 0)
    return paragraph(
        f"And the cliff: {images} Kodak images at k/n = 1/12, symbol level, {min(snrs):g} to {max(snrs):g} dB, at a",
        f"fixed MCS and with adaptation (`--margin 0`), {realisations(awgn, 'draw')} of the noise for each image and",
        f"Es/N0 over AWGN, {realisations(fading, 'fade')} over block Rayleigh fading, mean PSNR in",
        f"dB{told([*awgn, *fading])}; what cannot be decoded counts as a grey picture. Each of",
        "`results/cliff_*.json` (AWGN) and `rayleigh_*.json`, which hold outages as well, names the `semcom sweep`",
        "that makes it:",
    )


@named("digital-awgn")
def awgn(results: Results) -> list[str]:
    rows = {
        "AVIF, MCS 4 (QPSK 0.59)": "avif_4",
        "AVIF, adaptive": "avif_auto",
        "JPEG 2000, adaptive": "jpeg2000_auto",
        "JPEG, adaptive": "jpeg_auto",
        "JPEG 2000, MCS 4": "jpeg2000_4",
        "JPEG, MCS 4": "jpeg_4",
        "`softcast`": "softcast",
        "`samsc`": "samsc",
        "`semcom`": "semcom",
    }
    cells = [sweep_row(results, label, f"cliff_{name}", CLIFF) for label, name in rows.items()]
    return table(columns("AWGN", CLIFF), cells)


@named("digital-rayleigh")
def rayleigh(results: Results) -> list[str]:
    rows = {
        "AVIF, MCS 4": "avif_4",
        "AVIF, adaptive": "avif_auto",
        "JPEG 2000, adaptive": "jpeg2000_auto",
        "`softcast`": "softcast",
        "`samsc`": "samsc",
        "`semcom`": "semcom",
    }
    head = columns("block Rayleigh, ideal CSI", KODAK)
    return table(head, [sweep_row(results, label, f"rayleigh_{name}") for label, name in rows.items()])


@named("digital-verdict")
def verdict(results: Results) -> list[str]:
    avif, ours, fading, faded = (
        results.points(f"{record}_{name}") for record in ("cliff", "rayleigh") for name in ("avif_auto", "semcom")
    )
    perfect = capacity(results)
    short = {snr_db: at(avif, snr_db)["psnr_db"] - perfect[snr_db] for snr_db in SHORT}
    return paragraph(
        f"AVIF with adaptation is {standings(short, '*AVIF + capacity*')}. As long as the transmitter knows the SNR,",
        f"it is over AWGN on average {compared(avif, ours, KODAK, '`semcom`', APART_AWGN)}. Over fading, where",
        "interleaving over the 24 bursts of a picture carries it, `semcom` is on average",
        f"{compared(faded, fading, KODAK, 'it', APART_FADING)}. {_outages(faded, fading)}",
        '("Level": within the scatter of the draws, or where that is not known less than',
        f"{APART_AWGN:g} dB apart over AWGN, {APART_FADING:g} over fading.)",
        _cliff_edge(results),
    )


ASSUMED = {
    "`digital`, AVIF, `--margin 0`": "avif_no_margin",
    "`digital`, AVIF": "avif",
    "`softcast`": "softcast",
    "`semcom`": "semcom",
    "`segsc`": "segsc",
    "`samsc`": "samsc",
    "`deepjscc`": "deepjscc",
    "`witt`": "witt",
}


def _by_error(results: Results, name: str, channel: str) -> dict[float, Record]:
    """Points by how much more the transmitter assumes, dB."""
    points = chosen(results[f"snr_error_{name}"]["points"], channel=channel)
    return {round(point["snr_enc_db"] - point["snr_db"], 6): point for point in points}


@named("digital-snr-error-of")
def snr_error_of(results: Results) -> list[str]:
    records = [results[f"snr_error_{name}"] for name in ASSUMED.values()]
    points = [point for record in records for point in record["points"]]
    fades = realisations(chosen(points, channel="rayleigh"), "fade")
    images = spread((record["images"]["count"] for record in records), 0)
    true = spread((point["snr_db"] for point in points), 0)
    exact, plain = (_by_error(results, name, "awgn") for name in ("avif_no_margin", "avif"))
    losses = {
        label: _most_lost(results, name) for label, name in ASSUMED.items() if name in ("semcom", "softcast", "witt")
    }
    return paragraph(
        f"A transmitter that is told a wrong Es/N0: {images} Kodak images at k/n = 1/12, {true} dB",
        f"in truth, {fades} of each over block Rayleigh fading, mean PSNR in dB{told(points)}. The link adapter with",
        f"`--margin 0` loses {_losses(exact)} of the pictures over AWGN when it is told 1, 2 and 3 dB too much, with",
        f"its usual margin {_losses(plain)}; told 3 dB too little, that gives away",
        f"{rounded(plain[0]['psnr_db'] - plain[-3]['psnr_db'])} dB. No error up to 3 dB costs",
        f"{listed(f'{label} more than {rounded(loss)}' for label, loss in losses.items())} dB; `samsc` and `deepjscc`",
        "send the same whatever they are told (`results/snr_error_*.json`, each of which names its `semcom sweep`):",
    )


def _losses(points: Mapping[float, Record]) -> str:
    """Shares of the pictures that could not be decoded, where the transmitter is told too much."""
    return listed(percent(points[error]["undecodable"] / points[error]["pictures"]) for error in (1, 2, 3))


def _most_lost(results: Results, name: str) -> float:
    """The most that any error costs over either channel, dB."""
    both = [_by_error(results, name, channel) for channel in ("awgn", "rayleigh")]
    return max(points[0]["psnr_db"] - point["psnr_db"] for points in both for point in points.values())


@named("digital-snr-error-awgn")
def snr_error_awgn(results: Results) -> list[str]:
    return _snr_errors(results, "awgn", "AWGN")


@named("digital-snr-error-rayleigh")
def snr_error_rayleigh(results: Results) -> list[str]:
    return _snr_errors(results, "rayleigh", "block Rayleigh, ideal CSI")


def _snr_errors(results: Results, channel: str, head: str) -> list[str]:
    rows = []
    for label, name in ASSUMED.items():
        points = _by_error(results, name, channel)
        rows.append([label, *(shown(points[error]) for error in sorted(points))])
    return table([head, *(f"{signed(error, 0)} dB" for error in sorted(points))], rows)


def _outages(ours: Mapping[float, Record], avif: Mapping[float, Record]) -> str:
    """In the worst tenth, which is of pictures or of fades."""
    first = at(ours, KODAK[0])
    values = [{snr_db: outage(at(points, snr_db)) for snr_db in KODAK} for points in (ours, avif)]
    apart = {snr_db: values[0][snr_db] - values[1][snr_db] for snr_db in KODAK}
    return (
        f"In the worst 10 % of the {of_what(first)} `semcom` is {standings(apart, 'it', APART_FADING)}, with"
        f" {rounded(values[0][KODAK[0]])} beside {rounded(values[1][KODAK[0]])} dB at {KODAK[0]} dB."
    )


def _cliff_edge(results: Results) -> str:
    """Where a fixed MCS loses the picture, and what an analogue coder loses there."""
    fixed = sorted(results.points("cliff_avif_4").items())
    for (below, lost), (above, whole) in pairwise(fixed):
        # most pictures are lost below it, few above
        if 2 * lost["undecodable"] >= lost["pictures"] and 2 * whole["undecodable"] < whole["pictures"]:
            drops = [
                at(points, above)["psnr_db"] - at(points, below)["psnr_db"]
                for name in ("semcom", "softcast")
                for points in [results.points(f"cliff_{name}")]
            ]
            return (
                "Without that knowledge AVIF is all or nothing: at MCS 4 the picture is gone between"
                f" {above:g} and {below:g} dB, where `semcom` loses {rounded(drops[0])} and `softcast`"
                f" {rounded(drops[1])} dB."
            )
    raise Missing("results/cliff_avif_4.json has no Es/N0 below which most pictures are lost")
