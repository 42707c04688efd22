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
    of_what,
    outage,
    paragraph,
    percent,
    rounded,
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


def _cliff(results: Results, label: str, name: str, at_db: tuple[float, ...], channel: str) -> list[str]:
    return sweep_row(results, label, f"cliff_{name}", at_db, channel=channel, csi="ideal")


CURVES = ("avif_4", "avif_auto", "jpeg2000_4", "jpeg2000_auto", "jpeg_4", "jpeg_auto", "samsc", "semcom", "softcast")


@named("digital-cliff-of")
def cliff_of(results: Results) -> list[str]:
    records = [results[f"cliff_{name}"] for name in CURVES]
    points = [point for record in records for point in record["points"]]
    snrs = [point["snr_db"] for point in points]
    noise = realisations(chosen(points, channel="awgn"), "draw")
    fades = realisations(chosen(points, channel="rayleigh"), "fade")
    return paragraph(
        f"And the cliff: {spread((record['images']['count'] for record in records), 0)} Kodak images at k/n = 1/12,",
        f"symbol level, {min(snrs):g} to {max(snrs):g} dB, {noise} of the noise and {fades} for each image, at a fixed",
        f"MCS and with adaptation, mean PSNR in dB{told(points)}; what cannot be decoded counts",
        "as a grey picture (`semcom sweep --scheme digital --codec avif,jpeg2000,jpeg --mcs auto,4 --images DIR",
        "--snr=-2:20:1 --channel awgn,rayleigh --rate 1/12 --out results/cliff.json`, and the same for the others;",
        "`results/cliff_*.json` hold MS-SSIM and 10 % outage as well):",
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
    return table(columns("AWGN", CLIFF), [_cliff(results, label, name, CLIFF, "awgn") for label, name in rows.items()])


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
    return table(head, [_cliff(results, label, name, KODAK, "rayleigh") for label, name in rows.items()])


@named("digital-verdict")
def verdict(results: Results) -> list[str]:
    avif, ours = (results.points(f"cliff_{name}", channel="awgn", csi="ideal") for name in ("avif_auto", "semcom"))
    fading, faded = (
        results.points(f"cliff_{name}", channel="rayleigh", csi="ideal") for name in ("avif_auto", "semcom")
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
    fixed = sorted(results.points("cliff_avif_4", channel="awgn").items())
    for (below, lost), (above, whole) in pairwise(fixed):
        # most pictures are lost below it, few above
        if 2 * lost["undecodable"] >= lost["pictures"] and 2 * whole["undecodable"] < whole["pictures"]:
            drops = [
                at(points, above)["psnr_db"] - at(points, below)["psnr_db"]
                for name in ("semcom", "softcast")
                for points in [results.points(f"cliff_{name}", channel="awgn")]
            ]
            return (
                "Without that knowledge AVIF is all or nothing: at MCS 4 the picture is gone between"
                f" {above:g} and {below:g} dB, where `semcom` loses {rounded(drops[0])} and `softcast`"
                f" {rounded(drops[1])} dB."
            )
    raise Missing("results/cliff_avif_4.json has no Es/N0 below which most pictures are lost")
