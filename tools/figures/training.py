# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/coders.md`` about training."""

from __future__ import annotations

from .pages import named
from .results import Missing, Record, Results
from .words import each, listed, more, paragraph, rounded, spread, table

RUNS = {  # of results/training.json, and what a reader is told of them
    "semcom": "`semcom`, first generation, all SNRs and rates",
    "semcom for 10 dB only": "the same for 10 dB and 1/12 only",
    "semcom for 1 dB only": "the same for 1 dB and 1/12 only",
    "samsc": "`samsc`",
    "deepjscc": "`deepjscc`, PReLU",
    "witt, narrow": "`witt`, a quarter as wide",
}


def giga(record: Record) -> str:
    """Multiply-adds of encoder and decoder."""
    return f"{rounded((record['encoder_macs'] + record['decoder_macs']) / 1e9)} G"


@named("training-table")
def runs(results: Results) -> list[str]:
    record = results["training"]
    whole = record["seconds_each"]
    step = whole / (len(record["runs"]["semcom"]["curve"]) - 1)
    head = f"held out at 10 dB after 0, {step:.0f}, ... {whole:.0f} s"
    rows = []
    for name, label in RUNS.items():
        run = record["runs"][name]
        kodak = run["kodak_psnr_db"]
        rows.append(
            [
                label,
                f"{rounded(run['parameters'] / 1e6, 2)} M",
                giga(run),
                run["steps"],
                ", ".join(each(point["10 dB"] for point in run["curve"])),
                rounded(kodak["1 dB"]),
                rounded(kodak["10 dB"]),
            ]
        )
    return table(["trained", "parameters", "multiply-adds, 512x512", "steps", head, "Kodak 1 dB", "10 dB"], rows)


@named("training-one-model")
def one_model(results: Results) -> list[str]:
    record = results["training"]
    ours = record["runs"]["semcom"]["kodak_psnr_db"]
    losses = [record["runs"][f"semcom for {snr} only"]["kodak_psnr_db"][snr] - ours[snr] for snr in ("1 dB", "10 dB")]
    full = record["complexity_at_512x512"]["witt"]
    return paragraph(
        f"One model for everything has at 1 dB {more(-losses[0], 'dB', 2)} and at 10 dB {more(-losses[1], 'dB', 2)}",
        f"than those trained for one setting. `witt` at its paper's size has {rounded(full['parameters'] / 1e6)} M",
        f"parameters and {rounded((full['encoder_macs'] + full['decoder_macs']) / 1e9, 0)} G multiply-adds.",
    )


@named("training-speed")
def speed(results: Results) -> list[str]:
    record = results["training_speed"]
    before, single, bf16 = _sides(record)
    crops = [side["crops_per_second"][0] for side in (bf16, single, before)]
    psnrs = [[side[key][0] for side in (before, single, bf16)] for key in ("held_out_psnr_10_db", "training_psnr_db")]
    apart = max(max(values) - min(values) for values in psnrs)
    memory = [side["peak_memory_mib"] / 1024 for side in (before, single, bf16)]
    factor = next(key for key in single if key.startswith("median_times_"))
    return paragraph(
        f"Since then that `semcom` trains {rounded(bf16[factor], 2)} times as many crops a second in bf16 on a",
        f"processor with AMX, and {rounded(single[factor], 2)} times in single precision, on one core:",
        f"{listed(each(crops[:2]))}, and {rounded(crops[2])} before, with PSNR equal to {rounded(apart, 3)} dB after",
        f"{record['steps']} steps of the same crops, in {spread(memory)} GiB (`benchmarks/training_speed.py`,",
        "`results/training_speed.json`). Later in a training bf16 has not been compared.",
    )


def _sides(record: Record) -> tuple[Record, Record, Record]:
    """Before, in single precision, in bf16: sides are named by their commits."""
    sides = record["sides"]
    names = list(sides)
    bf16 = [name for name in names if name.endswith(":bf16")]
    if len(names) != 3 or len(bf16) != 1 or names[0] == bf16[0]:
        raise Missing(f"{record.file} must have three sides, before, NOW:bf16 and NOW, has {', '.join(names)}")
    (single,) = [name for name in names[1:] if name != bf16[0]]
    return sides[names[0]], sides[single], sides[bf16[0]]
