#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A training that is killed at random and goes on, against one that nobody kills: same seed, same steps.

    python benchmarks/killed_training.py --data TAR... --kills 20 --steps 600 --out results/killed_training.json

Each kill is a SIGKILL after a time drawn at random; the same command then goes on. Checkpoints are written every
``--save-every`` seconds in place of the usual 60, so that a short training is killed between many of them; what a kill
loses is told in these. In the end the weights of both are compared, and what they give on photographs held out.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from common import arguments, write

TRAIN = (
    "from gnuradio.semcom.train import trainer; trainer.SAVE_EVERY = {every}\n"
    "from gnuradio.semcom.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
)


def command(args: object, out: Path) -> list[str]:
    """Of the training."""
    train = [sys.executable, "-c", TRAIN.format(every=args.save_every), "train", args.scheme, "--out", str(out)]
    settings = {"steps": args.steps, "crop": args.crop, "batch": args.batch, "threads": 1, "validate-every": args.steps}
    for name, value in settings.items():
        train += [f"--{name}", str(value)]
    for path in args.data:
        train += ["--data", str(path.resolve())]
    return train


def killed(args: object, out: Path, seconds: float) -> dict[str, float]:
    """Train with kills; how much each lost at most."""
    rng = np.random.default_rng(args.seed)
    lost, kills = [], 0
    while True:
        began = time.time()
        with (out.parent / "log").open("w") as log:
            child = subprocess.Popen(command(args, out), stdout=log, stderr=subprocess.STDOUT)
            if kills < args.kills:
                # the log is written anew when steps begin
                while child.poll() is None and not (written(out / "log.csv") > began):
                    time.sleep(0.02)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(float(rng.uniform(0, 2) * seconds / args.kills))
            if kills == args.kills or child.returncode is not None:
                if child.wait():
                    raise SystemExit((out.parent / "log").read_text())
                return {"kills": kills, "most_seconds_lost": round(max(lost, default=0.0), 2)}
            child.kill()
            child.wait()
        kills += 1
        # what came after the last checkpoint, or since the start where there is none
        lost.append(time.time() - max(written(out / "last.pt"), began))


def written(path: Path) -> float:
    """When, 0 for never."""
    return path.stat().st_mtime if path.exists() else 0.0


def figures(out: Path) -> dict[str, float]:
    """The last row of the log."""
    with (out / "log.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    return {name: float(value) for name, value in row.items() if name.startswith("psnr_")}


def main() -> int:
    """Run both."""
    parser = arguments(__doc__, out=Path("results/killed_training.json"))
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--scheme", default="samsc")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--save-every", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder) / "whole", Path(folder) / "parts"
        subprocess.run(command(args, whole), check=True, capture_output=True)
        with (whole / "log.csv").open(newline="") as file:
            seconds = float(list(csv.DictReader(file))[-1]["seconds"])
        report = killed(args, parts, seconds)
        one, other = (torch.load(out / "last.pt", weights_only=True) for out in (whole, parts))
        differing = max(float((one["ema"][name] - value).abs().max()) for name, value in other["ema"].items())
        steps = {"steps": one["step"], "steps_killed": other["step"]}
        quality = {"held_out": figures(whole), "held_out_killed": figures(parts)}
    settings = {"scheme": args.scheme, "save_every": args.save_every}
    measured = settings | report | steps | {"largest_difference_of_weights": differing} | quality
    write(args.out, measured, seed=args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
