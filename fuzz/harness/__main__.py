# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one target and prints one JSON object.

    cd fuzz && python -m harness --target decoder --seconds 60 --seed 1

A property that must hold for every input and does not ends the run with a traceback; the seed and the iteration in it
repeat it. ``fuzz/run.py`` runs all targets, under the sanitizers.
"""

from __future__ import annotations

import argparse
import json

from .loop import TARGETS, run


def main() -> None:
    """Run one target and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=list(TARGETS), required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(run(args.target, args.seconds, args.seed)))


if __name__ == "__main__":
    main()
