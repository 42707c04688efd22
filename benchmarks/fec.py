# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures coding and modulation against theory and writes one row per figure to results/fec.json.

Run it with no argument for all rows, or with ``--only ROW`` for one of them. ``--only thresholds`` writes the block
error rates that the link adapter chooses by, to python/semcom/digital/thresholds.json. Es/N0 is
10 log10(E|x|^2 / E|n|^2) per symbol, complex noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gnuradio.semcom.digital import group, mcs

THRESHOLDS = Path("python/semcom/digital/thresholds.json")


def gaussian(rng: np.random.Generator, n: int, power: float = 1.0) -> np.ndarray:
    """``n`` circular complex Gaussian values of mean power ``power``, complex64."""
    return (rng.standard_normal(2 * n, dtype=np.float32) * np.float32(np.sqrt(power / 2))).view(np.complex64)


GROUP = 16384  # symbols: four bursts


def block_errors(scheme: mcs.Mcs, snr_db: float, blocks: int, errors: int, seed: int) -> tuple[int, int]:
    """Code blocks lost and sent of groups of GROUP symbols in AWGN, until there are so many of either."""
    rng = np.random.default_rng([seed, scheme.index, round(1000 * (snr_db + 100))])
    variance = 10 ** (-snr_db / 10)
    noise_var = np.full(GROUP, variance, np.float32)
    lost = sent = rounds = 0
    while sent < blocks and lost < errors:
        if rounds % 8 == 0:  # the noise is new each time, the message need not be
            message = rng.bytes(group.capacity(GROUP, scheme))
            symbols = group.encode(message, scheme, GROUP, rounds)
            key = rounds
        got = group.decode(symbols + gaussian(rng, GROUP, variance), noise_var, scheme, key)
        lost, sent, rounds = lost + got.blocks_lost, sent + got.blocks, rounds + 1
    return lost, sent


def thresholds() -> None:
    """Block error rate of every coded MCS over Es/N0, from above 0.9 to below 1e-3."""
    table, shapes = {}, {}
    for scheme in mcs.TABLE.values():
        if scheme.code == "none":
            continue
        start = time.perf_counter()
        ldpc = scheme.code == "ldpc"
        step, most = (0.1, 1500) if ldpc else (0.25, 4000)
        snr = round(10 * np.log10(2**scheme.efficiency - 1) + (1 if ldpc else 2), 1)
        while (coarse := block_errors(scheme, snr, 8, 8, 1))[0] < coarse[1]:
            snr = round(snr - 0.5, 2)
        while (coarse := block_errors(scheme, snr + 0.3, 8, 8, 1))[0] == coarse[1]:
            snr = round(snr + 0.3, 2)
        curve = []
        while not curve or curve[-1][1] >= 1e-3:
            lost, sent = block_errors(scheme, snr, most, 40, 2)
            curve.append([snr, round(lost / sent, 6), sent])
            snr = round(snr + step, 2)
        while curve[0][1] <= 0.9:
            snr = round(curve[0][0] - step, 2)
            lost, sent = block_errors(scheme, snr, most, 40, 2)
            curve.insert(0, [snr, round(lost / sent, 6), sent])
        table[str(scheme.index)] = curve
        plan = group.layout(GROUP, scheme)
        shapes[str(scheme.index)] = [plan.blocks, plan.block_bytes * 8]
        print(scheme.index, scheme.name, f"{time.perf_counter() - start:.1f} s", curve, file=sys.stderr)
    result = {
        "command": "python benchmarks/fec.py --only thresholds",
        "block": f"code blocks of groups of {GROUP} symbols, AWGN at symbol level, known noise variance",
        "blocks_and_bits": shapes,
        "mcs": table,
    }
    text = json.dumps(result, indent=1)
    # one curve a line, for those who read it
    text = re.sub(r"\[[^][{}]*(\[[^][]*\][^][]*)*\]", lambda m: " ".join(m[0].split()), text)
    THRESHOLDS.write_text(text + "\n")


def rows() -> dict[str, Callable[[], dict]]:
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*rows(), "thresholds"], action="append", help="measure this, repeatable")
    parser.add_argument("--out", type=Path, default=Path("results/fec.json"))
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.only or rows():
        if name == "thresholds":
            thresholds()
            continue
        start = time.perf_counter()
        row = rows()[name]()
        row["command"] = f"python benchmarks/fec.py --only {name}"
        row["seconds"] = round(time.perf_counter() - start, 1)
        row["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, shared"
        results[name] = row
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")
        print(name, json.dumps(row), file=sys.stderr)


if __name__ == "__main__":
    main()
