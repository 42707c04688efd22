#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every trainable coder on the same photographs for equal seconds, then on Kodak; and one model for all against one
model for one setting.

    python benchmarks/training.py --data TAR... --kodak DIR --seconds 600 --work DIR --out results/training.json

Seconds are processor seconds of one thread. Runs that are there already (``--work``) are not trained again, so it can
be stopped and started. PSNR is over RGB in [0,1] clipped, k/n = 1/12, complex AWGN, power normalised per image.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from gnuradio.semcom.image import io
from gnuradio.semcom.train.channels import Conditions, Fading
from gnuradio.semcom.train.coders import VALIDATION_SNRS, train
from gnuradio.semcom.train.complexity import complexity
from gnuradio.semcom.train.export import load_network
from gnuradio.semcom.train.models import NETWORKS
from gnuradio.semcom.train.trainer import Settings

from common import arguments, write

ALL = Conditions()
PLAIN = replace(ALL, channels=(128, 128), mismatched=0.0, uneven=0.0, fading=Fading())
SNRS = (1, 10)  # dB, at which the runs for one setting are
# The paper's WITT takes 16 s a step on one core and would take some 30 steps in ten minutes: it is counted, and one a
# quarter as wide is trained.
NARROW = {"widths": (32, 48, 64, 96), "depths": (2, 2, 2, 2), "heads": (2, 3, 4, 6)}


@dataclass(frozen=True)
class Run:
    """One training: scheme, conditions, constructor arguments and learning rate."""

    scheme: str
    conditions: Conditions = PLAIN
    options: dict = field(default_factory=dict)
    rate: float = 1e-3


RUNS = {
    "deepjscc": Run("deepjscc", replace(PLAIN, snr_db=(0.0, 14.0))),
    "semcom for 10 dB only": Run("semcom", replace(PLAIN, snr_db=(10.0, 10.0))),
    "semcom": Run("semcom", ALL),
    "samsc": Run("samsc"),
    "semcom for 1 dB only": Run("semcom", replace(PLAIN, snr_db=(1.0, 1.0))),
    "witt, narrow": Run("witt", replace(PLAIN, snr_db=(0.0, 14.0)), NARROW, 5e-4),
}


@torch.no_grad()
def on_kodak(net: torch.nn.Module, files: list[Path]) -> dict[str, float]:
    """Mean PSNR in dB at each of ``SNRS``."""
    sums = dict.fromkeys(SNRS, 0.0)
    torch.manual_seed(0)
    for file in files:
        x = torch.from_numpy(io.load(file)).permute(2, 0, 1)[None].float() / 255
        for snr in SNRS:
            error = (net.link(x, torch.tensor([float(snr)])).clamp(0, 1) - x).square().mean()
            sums[snr] += float(-10 * error.log10())
    return {f"{snr} dB": round(total / len(files), 3) for snr, total in sums.items()}


def main() -> None:
    """Train what is missing, measure, write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--kodak", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    args = parser.parse_args()
    rows = {}
    for label in args.runs:
        run = RUNS[label]
        folder = args.work / label.replace(",", "").replace(" ", "_")
        checkpoint = train(
            *(run.scheme, args.data, folder),
            Settings(args.seconds, learning_rate=run.rate, batch=5, threads=1, validate_every=args.seconds / 5),
            crop=192,
            options=run.options,
            conditions=run.conditions,
            report=lambda line: sys.stderr.write(line + "\n"),
        )
        net = load_network(checkpoint)
        curve = list(csv.DictReader((folder / "log.csv").open()))
        rows[label] = {
            **asdict(complexity(net, 512, 512)),
            "steps": int(curve[-1]["step"]),
            "kodak_psnr_db": on_kodak(net, sorted(args.kodak.glob("*.png"))),
            "curve": [
                {"seconds": float(r["seconds"])} | {f"{s} dB": float(r[f"psnr_{s}_db"]) for s in VALIDATION_SNRS}
                for r in curve
            ],
        }
        sys.stderr.write(f"{label}: {rows[label]['kodak_psnr_db']}\n")
    report = {
        "seconds_each": args.seconds,
        "complexity_at_512x512": {scheme: asdict(complexity(net(), 512, 512)) for scheme, net in NETWORKS.items()},
        "runs": rows,
    }
    write(args.out, report, images=[path.name for path in sorted(args.kodak.glob("*.png"))], seed=0)


if __name__ == "__main__":
    main()
