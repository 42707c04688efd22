#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops a second, peak memory and quality of a training: revisions and precisions side by side, in turns.

    python benchmarks/training_speed.py --data TAR... --sides 38a106a now now:bf16 --out results/training_speed.json

A side is a git revision, or ``now`` for the working tree, and after a colon the value of ``--precision``, without one
"no". In each round every side trains once from the start, with the same seed, for the same steps, one after the other,
so that what else the machine does hits all alike. Revisions that draw other crops from a seed, or hold out
others, are not to be compared in quality. Seconds are those of the processor, validations not counted; memory
is the highest resident set of the process; quality is the PSNR at 10 dB of photographs held out, after the last step,
and of the training crops.
"""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import arguments, write

ROOT = Path(__file__).resolve().parents[1]


def tree(revision: str, folder: Path) -> Path:
    """Where the Python sources of a revision are."""
    if revision == "now":
        return ROOT / "python"
    out = folder / revision
    if not out.exists():
        archive = subprocess.run(["git", "archive", revision, "python"], cwd=ROOT, check=True, capture_output=True)
        out.mkdir()
        subprocess.run(["tar", "-x", "-C", out], input=archive.stdout, check=True)
    return out / "python"


def trained(source: Path, precision: str, args: object, out: Path) -> dict[str, float]:
    """One training."""
    command = [
        sys.executable, "-m", "semcom.cli", "train", args.scheme, "--out", out, "--steps", args.steps, "--threads", 1,
        "--crop", args.crop, "--batch", args.batch, "--validate-every", args.steps, "--precision", precision,
    ]  # fmt: skip
    for path in args.data:
        command += ["--data", path.resolve()]
    # the sources, not what is installed
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (out.parent / "log").open("w+") as log:
        child = subprocess.Popen(
            [*map(str, command)], cwd=source, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            log.seek(0)
            raise SystemExit(f"{source}: the training failed\n{log.read()}")
    last = list(csv.DictReader((out / "log.csv").open()))[-1]
    return {
        "crops_per_second": int(last["step"]) * args.batch / float(last["seconds"]),
        "peak_memory_mib": used.ru_maxrss / 1024,
        "held_out_psnr_10_db": float(last["psnr_10_db"]),
        "training_psnr_db": float(last["training_psnr_db"]),
    }


def main() -> None:
    """All rounds; write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--sides", nargs="+", required=True, help="revision[:precision]; the first is compared with")
    parser.add_argument("--scheme", default="semcom")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--batch", type=int, default=5)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in args.sides}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for index, side in enumerate(args.sides):
                revision, _, precision = side.partition(":")
                out = Path(folder) / f"{number}-{index}" / "run"
                out.parent.mkdir()
                runs[side].append(trained(tree(revision, Path(folder)), precision or "no", args, out))
                sys.stderr.write(f"{side}: {runs[side][-1]}\n")
    base = args.sides[0]
    rows = {}
    for side, measured in runs.items():
        ratios = [a["crops_per_second"] / b["crops_per_second"] for a, b in zip(measured, runs[base], strict=True)]
        rows[side] = {
            "crops_per_second": [round(run["crops_per_second"], 2) for run in measured],
            f"times_{base}": [round(ratio, 3) for ratio in ratios],
            f"median_times_{base}": round(statistics.median(ratios), 3),
            "peak_memory_mib": round(max(run["peak_memory_mib"] for run in measured)),
            "held_out_psnr_10_db": [run["held_out_psnr_10_db"] for run in measured],
            "training_psnr_db": [run["training_psnr_db"] for run in measured],
        }
    write(args.out, {"scheme": args.scheme, "steps": args.steps, "crop": args.crop, "batch": args.batch, "sides": rows})


if __name__ == "__main__":
    main()
