#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ``fuzz/corpus`` anew: a few small inputs for each target in C++, from which fuzzing begins.

    python fuzz/corpus.py --seconds 60

libFuzzer runs each target so long from what is there, and of all that was found the inputs are kept, the smallest
first, that reach most for ``MAX_BYTES`` together. Needs clang, see ``fuzz/run.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
from pathlib import Path

import run

MAX_BYTES = 4096  # of the inputs of a target


def merged(program: Path, found: list[Path], longest: int) -> list[bytes]:
    """The inputs of some folders that reach all that they all reach together, the smallest first."""
    with tempfile.TemporaryDirectory(prefix="semcom-fuzz-") as folder:
        words = [program, "-merge=1", f"-max_len={longest}", folder, *found]
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
        return sorted((path.read_bytes() for path in Path(folder).iterdir()), key=lambda each: (len(each), each))


def main() -> None:
    """Run, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    clang = run.compiler()
    if clang is None:
        raise SystemExit("clang is not installed; apt-get install -y clang libclang-rt-dev")
    run.build(False, clang)
    run.FINDINGS.mkdir(parents=True, exist_ok=True)
    for target in run.CPP:
        here = run.CORPUS / target
        here.mkdir(parents=True, exist_ok=True)
        figures = run.run(target, args.seconds, args.seed, True)
        program = run.BUILD_CLANG / "fuzz" / f"semcom_fuzz_{target}"
        inputs = merged(program, [here, run.BUILD_CLANG / "corpus" / target], run.LONGEST[target])
        for path in here.iterdir():
            path.unlink()
        size = kept = 0
        # evenly from small to large: the smallest alone reach little
        step = max(1, sum(map(len, inputs)) // MAX_BYTES)
        for content in inputs[::step]:
            if size + len(content) <= MAX_BYTES:
                (here / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
                size, kept = size + len(content), kept + 1
        print(f"{target}: {kept} of {len(inputs)} inputs, {size} bytes; {figures}")


if __name__ == "__main__":
    main()
