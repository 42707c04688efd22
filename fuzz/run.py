#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds everything under AddressSanitizer and UndefinedBehaviorSanitizer, fuzzes it, and writes what came of it.

    python fuzz/run.py --seconds 3600 --out results/fuzz.json

The seconds are shared out over the targets. The sanitized build lives in ``build/sanitize`` and is installed there, so
that the one in ``.venv`` stays as it is. Needs GCC, and ``./bootstrap build`` before it. Exit status 1 when a target
ended early: its output and the input that did it are then in ``build/sanitize/findings``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
PREFIX = BUILD / "prefix"
FINDINGS = BUILD / "findings"

# name -> share of the time; samples are where the intricate code is
CPP = {"header_bits": 1, "header_soft": 2, "receiver": 8, "pdu": 2}
PYTHON = {"decoder": 6, "decoder_samsc": 1, "join": 1, "sink": 1, "flowgraph": 2}

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
    return [sys.executable, str(ROOT / "fuzz" / "reassembly.py"), *common], {
        # Python itself is not instrumented: the run-time must be there before it, and its own leaks do not count
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so.6')}",
        "ASAN_OPTIONS": ASAN.format(leaks=0),
        "PYTHONPATH": str(PREFIX / "python"),
        "SEMCOM_MODELS": str(ROOT / "models"),
    }


def cpu_seconds() -> float:
    """What the processes started from here have used of a core, those that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(target: str, seconds: float, seed: int) -> dict:
    """One target; its figures, with ``crashes`` and ``command``."""
    command, environment = command_of(target, seconds, seed)
    before = cpu_seconds()
    done = subprocess.run(
        command,
        env=os.environ | environment | {"UBSAN_OPTIONS": UBSAN},
        capture_output=True,
        text=True,
        cwd=FINDINGS,
    )
    shown = " ".join(command).replace(f"{ROOT}/", "").replace(sys.executable, "python")
    if done.returncode == 0:
        result = json.loads(done.stdout.splitlines()[-1])
        module = result.pop("module", str(PREFIX))
        if not module.startswith(str(PREFIX)):
            raise SystemExit(f"{target} ran with {module}, which is not the sanitized build")
        return result | {"cpu_seconds": round(cpu_seconds() - before, 1), "crashes": 0, "command": shown}
    log = FINDINGS / f"{target}-{seed}.log"
    log.write_text(done.stdout + done.stderr)
    print(f"{target}: ended with {done.returncode}, see {log}", file=sys.stderr)
    return {"target": target, "seed": seed, "crashes": 1, "command": shown}


def main() -> int:
    """Build, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600, help="of fuzzing, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[*CPP, *PYTHON], action="append", help="these targets, not all")
    parser.add_argument("--out", type=Path, default=Path("results/fuzz.json"))
    args = parser.parse_args()
    build()
    FINDINGS.mkdir(exist_ok=True)
    shares = {t: s for t, s in (CPP | PYTHON).items() if not args.only or t in args.only}
    results = []
    for target, share in shares.items():
        results.append(run(target, args.seconds * share / sum(shares.values()), args.seed))
        report = {
            "command": f"python fuzz/run.py --seconds {args.seconds:g} --seed {args.seed} --out results/fuzz.json",
            "sanitizers": "AddressSanitizer, UndefinedBehaviorSanitizer, float-cast-overflow (GCC)",
            "seconds": round(sum(r.get("seconds", 0) for r in results), 1),
            "cpu_seconds": round(sum(r.get("cpu_seconds", 0) for r in results), 1),
            "iterations": sum(r.get("iterations", 0) for r in results),
            "crashes": sum(r["crashes"] for r in results),
            "targets": results,
        }
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["crashes"] else 0


if __name__ == "__main__":
    sys.exit(main())
