#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds everything under AddressSanitizer and UndefinedBehaviorSanitizer, fuzzes it, and writes what came of it.

    python fuzz/run.py --seconds 3600 --out results/fuzz.json

The seconds are of processor time, shared out over the targets in rounds, each with a seed of its own; the file is
written after every round. The sanitized build lives in ``build/sanitize`` and is installed there, so that the one in
``.venv`` stays as it is. Needs GCC, and ``./bootstrap build`` before it. Exit status 1 when a target ended early: its
output and the input that did it are then in ``build/sanitize/findings``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
PREFIX = BUILD / "prefix"
FINDINGS = BUILD / "findings"

# name -> share of the time; samples are where the intricate code is
CPP = {"header_bits": 1, "header_soft": 2, "receiver": 8, "pdu": 2}
PYTHON = {
    "decoder": 6,
    "decoder_digital": 4,
    "reception": 4,
    "decoder_samsc": 1,
    "join": 1,
    "sink": 1,
    "flowgraph": 2,
    "codec": 2,
    "sigmf": 1,
    "scene": 3,
    "map": 3,
}

# A small quarantine keeps the growth of memory that is reported that of the product.
ASAN = "abort_on_error=1:quarantine_size_mb=16:detect_leaks={leaks}:detect_stack_use_after_return=0"
UBSAN = "print_stacktrace=1:halt_on_error=1"


def build() -> None:
    """Configure, build and install the sanitized tree; quick when nothing changed."""
    configure = [
        "cmake", "-S", ROOT, "-B", BUILD, "-DSEMCOM_SANITIZE=ON", f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        f"-DPYTHON_EXECUTABLE={sys.executable}", f"-DGR_PYTHON_DIR={PREFIX / 'python'}",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", BUILD, "--parallel", "2"], ["cmake", "--install", BUILD]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}the sanitized build failed; is ./bootstrap build through?")


def library(name: str) -> str:
    """Path of one of the compiler's run-time libraries."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return str(Path(done.stdout.strip()).resolve())


def command_of(target: str, seconds: float, seed: int) -> tuple[list[str], dict[str, str]]:
    """The command line of one target and what it needs in its environment."""
    common = ["--target", target, "--seconds", f"{seconds:.1f}", "--seed", str(seed)]
    if target in CPP:
        artifact = FINDINGS / f"{target}-{seed}.bin"
        return [str(BUILD / "fuzz" / "semcom_fuzz"), *common, "--artifact", str(artifact)], {
            "ASAN_OPTIONS": ASAN.format(leaks=1)
        }
    return [sys.executable, "-m", "harness", *common], {
        # Python itself is not instrumented: the run-time must be there before it, and its own leaks do not count
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so.6')}",
        "ASAN_OPTIONS": ASAN.format(leaks=0),
        "PYTHONPATH": f"{PREFIX / 'python'}:{ROOT / 'fuzz'}",
        "SEMCOM_MODELS": str(ROOT / "models"),
    }


def run(target: str, seconds: float, seed: int) -> dict:
    """One target; its figures, with ``crashes``."""
    command, environment = command_of(target, seconds, seed)
    begun = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ | environment | {"UBSAN_OPTIONS": UBSAN},
        capture_output=True,
        text=True,
        cwd=FINDINGS,
    )
    wall = time.monotonic() - begun
    if done.returncode:
        log = FINDINGS / f"{target}-{seed}.log"
        log.write_text(done.stdout + done.stderr)
        print(f"{target}: ended with {done.returncode}, see {log}", file=sys.stderr)
        return {"target": target, "crashes": 1, "wall_seconds": wall}
    result = json.loads(done.stdout.splitlines()[-1])
    module = result.pop("module", str(PREFIX))
    if not module.startswith(str(PREFIX)):
        raise SystemExit(f"{target} ran with {module}, which is not the sanitized build")
    del result["seed"]
    return result | {"crashes": 0, "wall_seconds": wall}


def merged(sofar: dict, more: dict) -> dict:
    """The figures of two runs of a target: sums, or the larger of what is a maximum."""
    out = dict(sofar)
    for key, value in more.items():
        if key == "target" or key not in sofar:
            out[key] = value
        elif key.startswith(("largest_", "allowed_", "resident_")):
            out[key] = max(sofar[key], value)
        else:
            out[key] = round(sofar[key] + value, 1)
    return out


def main() -> int:
    """Build, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600, help="of processor time, over all targets")
    parser.add_argument("--round", type=float, default=60, help="seconds after which the next seed begins")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    parser.add_argument("--only", choices=[*CPP, *PYTHON], action="append", help="these targets, not all")
    parser.add_argument("--out", type=Path, default=Path("results/fuzz.json"))
    parser.add_argument("--add", action="store_true", help="go on where the run that wrote the file was stopped")
    args = parser.parse_args()
    build()
    FINDINGS.mkdir(exist_ok=True)
    shares = {t: s for t, s in (CPP | PYTHON).items() if not args.only or t in args.only}
    only = "".join(f" --only {target}" for target in args.only or ())
    results: dict[str, dict] = {}
    done = 0
    if args.add and args.out.exists():
        earlier = json.loads(args.out.read_text())
        results, done = {r["target"]: r for r in earlier["targets"]}, earlier["rounds"]
    rounds = max(1, round(args.seconds / args.round))
    for seed in range(args.seed + done, args.seed + done + rounds):
        for target, share in shares.items():
            more = run(target, args.round * share / sum(shares.values()), seed)
            results[target] = merged(results.get(target, {}), more)
        figures = list(results.values())
        report = {
            "command": f"python fuzz/run.py --seconds {(seed + 1 - args.seed) * args.round:g} "
            f"--round {args.round:g} --seed {args.seed}{only} --out results/{args.out.name}",
            "sanitizers": "AddressSanitizer, UndefinedBehaviorSanitizer, float-cast-overflow (GCC)",
            "seconds_are": "processor time",
            "rounds": seed + 1 - args.seed,
            "seconds": round(sum(r.get("seconds", 0) for r in figures), 1),
            "wall_seconds": round(sum(r["wall_seconds"] for r in figures), 1),
            "iterations": sum(r.get("iterations", 0) for r in figures),
            "crashes": sum(r["crashes"] for r in figures),
            "targets": figures,
        }
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["crashes"] else 0


if __name__ == "__main__":
    sys.exit(main())
