#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much faster two workers sweep than one.

    python benchmarks/sweep.py --kodak DIR --out results/sweep.json

Runs `semcom sweep` on the 24 Kodak images at several SNRs over AWGN and block Rayleigh fading with softcast and samsc,
PSNR and MS-SSIM, once per number of workers, each of one thread, and compares the wall-clock times, starting the
workers included. Needs as many idle cores as workers. Fails if two workers are not at least 1.7 times as fast as one,
or if they find anything else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import arguments, write

SCHEMES = ("softcast", "samsc")
WANTED = 1.7


def timed(args: argparse.Namespace, workers: int, folder: Path) -> tuple[float, dict[str, list[float]]]:
    """(seconds, mean PSNR of every point of each scheme)."""
    command = [Path(sys.prefix) / "bin" / "semcom", "sweep", "--scheme", ",".join(SCHEMES), "--images", args.kodak]
    command += ["--snr", args.snr, "--channel", "awgn,rayleigh", "--rate", "1/12", "--workers", workers]
    command += ["--out", folder / f"{workers}.json"]
    begun = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    records = {scheme: json.loads((folder / f"{workers}_{scheme}.json").read_text()) for scheme in SCHEMES}
    return seconds, {scheme: [point["psnr_db"] for point in r["points"]] for scheme, r in records.items()}


def main() -> int:
    """Measure and write the JSON; 1 if two workers are not fast enough."""
    parser = arguments(__doc__, smoke=True)
    parser.add_argument("--kodak", type=Path, required=True)
    parser.add_argument("--snr", default="1:19:6", help="as of semcom sweep")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        sys.stderr.write(f"the machine is busy (load {load:.1f}); the ratio will be too low\n")
    with tempfile.TemporaryDirectory() as name:
        seconds, found = {}, {}
        for workers in (1, 2):
            seconds[workers], found[workers] = timed(args, workers, Path(name))
            sys.stderr.write(f"{workers} workers: {seconds[workers]:.1f} s\n")
    apart = max(abs(a - b) for s in SCHEMES for a, b in zip(found[1][s], found[2][s], strict=True))
    files = sorted(args.kodak.glob("*.png"))
    report = {
        "what": "wall-clock time of a sweep by number of workers, one thread each, starting them included",
        "schemes": list(SCHEMES),
        "images": len(files),
        "points_per_scheme": len(found[1][SCHEMES[0]]),
        "load_before": round(load, 2),
        "seconds": {str(workers): round(value, 1) for workers, value in seconds.items()},
        "speed_up": round(seconds[1] / seconds[2], 3),
        "largest_psnr_difference_db": apart,
    }
    write(args.out, report, images=[path.name for path in files], seed=0)
    sys.stderr.write(f"{report['speed_up']} times as fast\n")
    fast = report["speed_up"] >= WANTED or args.smoke
    return 0 if fast and apart < 0.002 else 1


if __name__ == "__main__":
    sys.exit(main())
