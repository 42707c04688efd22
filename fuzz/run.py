#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds everything under AddressSanitizer and UndefinedBehaviorSanitizer, fuzzes it, and writes what came of it.

    python fuzz/run.py --seconds 3600 --out results/fuzz.json

The seconds are of processor time, shared out over the targets in rounds, each with a seed of its own; the file is
written after every round. The sanitized build lives in ``build/sanitize`` and is installed there, so that the one in
``.venv`` stays as it is. Needs GCC, and ``./bootstrap build`` before it.

The targets in C++ run under libFuzzer where clang is installed (``apt-get install -y clang libclang-rt-dev``), in a
build of their own, ``build/sanitize-clang``: from ``fuzz/corpus`` it goes where the coverage grows, and what it finds
on the way is kept in ``build/sanitize-clang/corpus``. Without clang the driver of ``fuzz/main.cc`` runs them, from the
same corpus.

Exit status 1 when a target ended early: its output and the input that did it are then in ``build/sanitize/findings``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "sanitize"
PREFIX = BUILD / "prefix"
FINDINGS = BUILD / "findings"
BUILD_CLANG = ROOT / "build" / "sanitize-clang"
CORPUS = ROOT / "fuzz" / "corpus"

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
    "zmq": 1,
    "command": 2,
    "image": 2,
    "weights": 2,
    "journal": 2,
    "afterwards": 3,
}
LONGEST = {"header_bits": 64, "header_soft": 4096, "receiver": 512, "pdu": 512}  # bytes of an input, as in targets.h
MEMORY = {"header_bits": 300, "header_soft": 300, "receiver": 600, "pdu": 600}  # MB that libFuzzer's process may take
SLOW = 25  # seconds that an input may take

# A small quarantine keeps the growth of memory that is reported that of the product.
ASAN = "abort_on_error=1:quarantine_size_mb=16:detect_leaks={leaks}:detect_stack_use_after_return=0"
UBSAN = "print_stacktrace=1:halt_on_error=1"


def compiler() -> str | None:
    """The newest clang++ that is installed."""
    names = ["clang++", *(f"clang++-{version}" for version in range(30, 13, -1))]
    return next((found for name in names if (found := shutil.which(name))), None)


def build(gcc: bool, clang: str | None) -> None:
    """Configure, build and install the sanitized trees; quick when nothing changed."""
    settings = [
        "-S", ROOT, "-DSEMCOM_SANITIZE=ON", f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        f"-DPYTHON_EXECUTABLE={sys.executable}", f"-DGR_PYTHON_DIR={PREFIX / 'python'}",
    ]  # fmt: skip
    steps: list[list] = []
    if gcc:
        steps += [
            ["cmake", "-B", BUILD, *settings],
            ["cmake", "--build", BUILD, "--parallel", "2"],
            ["cmake", "--install", BUILD],
        ]
    if clang:
        steps += [
            ["cmake", "-B", BUILD_CLANG, f"-DCMAKE_CXX_COMPILER={clang}", *settings],
            ["cmake", "--build", BUILD_CLANG, "--parallel", "2", "--target", "semcom_fuzzers"],
        ]
    for command in steps:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout}the sanitized build failed; is ./bootstrap build through?")


def library(name: str) -> str:
    """Path of one of the compiler's run-time libraries."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return str(Path(done.stdout.strip()).resolve())


def libfuzzer_of(target: str, seconds: float, seed: int) -> tuple[list[str], dict[str, str]]:
    """The command line of one target under libFuzzer and what it needs in its environment."""
    found = BUILD_CLANG / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    program = BUILD_CLANG / "fuzz" / f"semcom_fuzz_{target}"
    options = {
        "max_total_time": max(1, round(seconds)), "seed": seed, "max_len": LONGEST[target], "timeout": SLOW,
        "rss_limit_mb": MEMORY[target], "use_value_profile": 1, "print_final_stats": 1, "verbosity": 1,
        "artifact_prefix": f"{FINDINGS}/{target}-{seed}-",
    }  # fmt: skip
    words = [f"-{name}={value}" for name, value in options.items()]
    return [str(program), *words, str(found), str(CORPUS / target)], {"ASAN_OPTIONS": ASAN.format(leaks=1)}


def command_of(target: str, seconds: float, seed: int, plain: bool) -> tuple[list[str], dict[str, str]]:
    """The command line of one target and what it needs in its environment."""
    common = ["--target", target, "--seconds", f"{seconds:.1f}", "--seed", str(seed)]
    if target in CPP:
        artifact = FINDINGS / f"{target}-{seed}.bin"
        more = ["--corpus", str(CORPUS), "--artifact", str(artifact)]
        return [str(BUILD / "fuzz" / "semcom_fuzz"), *common, *more], {"ASAN_OPTIONS": ASAN.format(leaks=1)}
    if plain:
        return [sys.executable, "-m", "harness", *common], {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "fuzz"), os.environ.get("PYTHONPATH", "")])
        }
    return [sys.executable, "-m", "harness", *common], {
        # Python itself is not instrumented: the run-time must be there before it, and its own leaks do not count
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so.6')}",
        "ASAN_OPTIONS": ASAN.format(leaks=0),
        "PYTHONPATH": f"{PREFIX / 'python'}:{ROOT / 'fuzz'}",
        "SEMCOM_MODELS": str(ROOT / "models"),
    }


def figures_of_libfuzzer(target: str, said: str, spent: float) -> dict:
    """What libFuzzer says at its end."""
    stats = {name: int(value) for name, value in re.findall(r"stat::(\w+):\s+(\d+)", said)}
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", said)
    coverage, features, corpus = map(int, reached[-1]) if reached else (0, 0, 0)
    return {
        "target": target,
        "engine": "libFuzzer",
        "seconds": round(spent, 1),
        "iterations": stats["number_of_executed_units"],
        "largest_edges": coverage,
        "largest_features": features,
        "largest_corpus": corpus,
        "resident_peak_mb": stats["peak_rss_mb"],
        "allowed_resident_mb": MEMORY[target],
    }


def run(target: str, seconds: float, seed: int, clang: bool, plain: bool = False) -> dict:
    """One target; its figures, with ``crashes``."""
    by_coverage = clang and target in CPP
    if by_coverage:
        command, environment = libfuzzer_of(target, seconds, seed)
    else:
        command, environment = command_of(target, seconds, seed, plain)
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
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
    if by_coverage:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return figures_of_libfuzzer(target, done.stderr, spent) | {"crashes": 0, "wall_seconds": round(wall, 1)}
    result = json.loads(done.stdout.splitlines()[-1])
    module = result.pop("module", str(PREFIX))
    if not plain and not module.startswith(str(PREFIX)):
        raise SystemExit(f"{target} ran with {module}, which is not the sanitized build")
    del result["seed"]
    return result | {"crashes": 0, "wall_seconds": wall}


def merged(sofar: dict, more: dict) -> dict:
    """The figures of two runs of a target: sums, or the larger of what is a maximum."""
    out = dict(sofar)
    for key, value in more.items():
        if isinstance(value, str) or key not in sofar:
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
    parser.add_argument("--gcc", action="store_true", help="the driver of main.cc, though clang is installed")
    parser.add_argument(
        "--plain", action="store_true", help="Python targets with the module as it is installed, without sanitizers"
    )
    parser.add_argument("--only", choices=[*CPP, *PYTHON], action="append", help="these targets, not all")
    parser.add_argument("--out", type=Path, default=Path("results/fuzz.json"))
    parser.add_argument("--add", action="store_true", help="go on where the run that wrote the file was stopped")
    args = parser.parse_args()
    clang = None if args.gcc else compiler()
    wanted = set(args.only or [*CPP, *PYTHON])
    sanitized = (wanted & set(PYTHON) and not args.plain) or (wanted & set(CPP) and clang is None)
    build(bool(sanitized), clang if wanted & set(CPP) else None)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    shares = {t: s for t, s in (CPP | PYTHON).items() if not args.only or t in args.only}
    only = "".join(f" --only {target}" for target in args.only or ()) + (" --plain" if args.plain else "")
    results: dict[str, dict] = {}
    done = 0
    if args.add and args.out.exists():
        earlier = json.loads(args.out.read_text())
        results, done = {r["target"]: r for r in earlier["targets"]}, earlier["rounds"]
    rounds = max(1, round(args.seconds / args.round))
    describe = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude", "*"]
    commit = subprocess.run(describe, capture_output=True, text=True)
    for seed in range(args.seed + done, args.seed + done + rounds):
        for target, share in shares.items():
            more = run(target, args.round * share / sum(shares.values()), seed, clang is not None, args.plain)
            results[target] = merged(results.get(target, {}), more)
        figures = list(results.values())
        report = {
            "command": f"python fuzz/run.py --seconds {(seed + 1 - args.seed) * args.round:g} "
            f"--round {args.round:g} --seed {args.seed}{only} --out results/{args.out.name}",
            "provenance": {
                "machine": platform.machine(),
                "cores": len(os.sched_getaffinity(0)),
                "commit": commit.stdout.strip(),
                "seed": args.seed,
            },
            "sanitizers": "AddressSanitizer, UndefinedBehaviorSanitizer, float-cast-overflow"
            + (" in C++; none under the targets in Python" if args.plain else ""),
            "engines": ("libFuzzer (Clang)" if clang else "the driver of fuzz/main.cc (GCC)")
            + " in C++, fuzz/harness in Python, whose memory is what became resident",
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
