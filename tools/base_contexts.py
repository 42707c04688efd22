#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the tables of ``semcom/jscc/base.py`` to photographs, and print them.

    python tools/base_contexts.py --data train_256.tar

``_RATIOS``: differences between a rounded coefficient and its prediction fall off geometrically; the ratio is that of
their mean size by the activity of the neighbours. ``_SUITED``: for each number of channels and SNR the base of least
expected error by the planner itself, on average over photographs in decibels.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.jscc import base, planning
from semcom.jscc.allocation import tables
from semcom.schemes import Conditions
from semcom.schemes.allocated import map_cost
from semcom.train.files import pictures


def ratios(images: list[planning.Coefficients]) -> dict[bool, tuple[int, ...]]:
    """256 times the ratio, by kind of coefficient and activity."""
    total, count = np.zeros((2, 12)), np.zeros((2, 12))
    for image in images:
        kept = np.ones((image.rows, image.columns), bool)
        for octave in base.OCTAVES:
            for number, plane in enumerate(base.rounded(image.first(base.MOST), octave, kept).values):
                slow = number in base.PREDICTED
                for y, x in np.ndindex(plane.shape):
                    near = base._Neighbours(plane, y, x)
                    at = int(slow), near.activity(slow)
                    total[at] += abs(int(plane[y, x]) - near.predicted(slow))
                    count[at] += 1
    mean = (total + 1) / (count + 4)
    # of P(d) ~ t^|d| the mean of |d| is 2 t / (1 - t^2)
    ratio = np.rint(256 * (np.sqrt(1 + mean**2) - 1) / mean).astype(int)
    return {True: tuple(ratio[1].tolist()), False: tuple(ratio[0].tolist())}


def best(images: list[planning.Coefficients], channels: int, snr_db: float) -> tuple[int, int]:
    """Count and octave."""
    cost = map_cost(Conditions(snr_db=snr_db))
    options = [(0, base.OCTAVES[0]), *itertools.product(base.COUNTS[1:], base.OCTAVES)]
    errors = dict.fromkeys(options, 0.0)
    usual = base.suited
    for option in options:
        planning.base.suited = lambda channels, snr_db, option=option: option
        for image in images:
            level = np.zeros((image.rows, image.columns), np.uint8)
            uses = image.patches * channels // 2
            try:
                error = planning.plan(image, uses, snr_db, cost, level, math.inf).error
            except ValueError:  # too few channel uses for this one
                error = 1e9
            errors[option] += math.log10(max(error, 1e-9))
    planning.base.suited = usual
    return min(options, key=errors.__getitem__)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--every", type=int, default=12, help="one of so many, and for the bases of ten times as many")
    args = parser.parse_args()
    some = itertools.islice(pictures(args.data, []), 0, None, args.every)
    images = [planning.Coefficients(np.asarray(picture.convert("RGB")), tables()) for _, _, picture in some]
    print("_RATIOS =", ratios(images))
    print("_SUITED = (")
    for channels in base._CHANNELS:
        print(f"    {tuple(best(images[::10], channels, snr_db) for snr_db in base._SNRS)},")
    print(")")


if __name__ == "__main__":
    main()
