# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments, and files of results that name their command and where they were measured."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnuradio.semcom import provenance as here

ROOT = Path(__file__).resolve().parents[2]
CORES = len(os.sched_getaffinity(0))  # before a benchmark restricts itself to some of them
BEGUN = time.perf_counter()


def arguments(doc: str, smoke: bool = False, journal: bool = False, out: Path | None = None) -> argparse.ArgumentParser:
    """A parser with ``--out``, and ``--smoke`` and ``--journal`` for a benchmark that has them."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = f"{out} if not given" if out else "standard output if not given"
    parser.add_argument("--out", type=Path, default=out, help=f"file of results; {where}")
    if smoke:
        parser.add_argument("--smoke", action="store_true", help="run everything as briefly as possible, for a test")
    if journal:
        parser.add_argument("--journal", type=Path, help="file of what was measured; a later run goes on from it")
    return parser


def by_rows(
    options: argparse.Namespace,
    rows: Mapping[str, Callable[..., dict]],
    smoke: Mapping[str, dict[str, Any]],
    **measured: Any,
) -> None:
    """Measure rows, all or those of ``--only``, into a file that keeps the others.

    Parameters
    ----------
    options : argparse.Namespace
        ``out``, ``only`` and ``smoke``.
    rows : mapping of str to callable
        Name to what measures it.
    smoke : mapping of str to dict
        Name to the arguments that make it as brief as possible.
    **measured
        ``images``, ``seed`` and ``draws`` of :func:`provenance`.
    """
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in options.only or rows:
        start = time.perf_counter()
        row = rows[name](**(smoke[name] if options.smoke else {}))
        row["command"] = f"python benchmarks/{Path(sys.argv[0]).name} --only {name}"
        row["provenance"] = provenance(time.perf_counter() - start, **measured)
        results[name] = row
        write(options.out, {key: value for key, value in results.items() if key in rows}, **measured)
        print(name, json.dumps(row), file=sys.stderr)


def command() -> str:
    """The command line, with paths as they are seen from the repository."""

    def shown(word: str) -> str:
        path = Path(word)
        if not path.is_absolute():
            return word
        for folder, name in ((ROOT, Path()), (ROOT.parent / "shared", Path("../shared"))):
            if path.is_relative_to(folder):
                return str(name / path.relative_to(folder))
        return path.name

    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(shown, sys.argv[1:])])


def commit() -> str | None:
    """The commit that is checked out, ``-dirty`` when files differ from it; None outside a repository."""
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(describe, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(
    seconds: float | None = None,
    images: Sequence[str] = (),
    seed: int | str | None = None,
    draws: int | None = None,
) -> dict[str, Any]:
    """Where, of what and with which chance figures were measured, as far as it applies.

    Parameters
    ----------
    seconds : float or None
        How long it took; since the start of the program if not given.
    images : sequence of str
        Names of the images.
    seed : int, str or None
        Of all that is random, or in words how it follows from the place of a figure.
    draws : int or None
        Realisations of what is random for each figure of an image.

    Returns
    -------
    dict
        What JSON can hold; ``images``, ``seed`` and ``draws`` where they apply.
    """
    chance = {key: value for key, value in (("seed", seed), ("draws", draws)) if value is not None}
    of_what = {"images": {"count": len(images), "names": list(images)}} if images else {}
    return {
        **here.provenance(),
        "cores": CORES,
        "commit": commit(),
        "seconds": round(time.perf_counter() - BEGUN if seconds is None else seconds, 1),
        **of_what,
        **chance,
    }


def write(out: Path | None, figures: dict[str, Any], **measured: Any) -> None:
    """Write figures with command and provenance to a file, or to standard output.

    Parameters
    ----------
    out : Path or None
        The file.
    figures : dict
        What was measured.
    **measured
        ``images``, ``seed`` and ``draws`` of :func:`provenance`.
    """
    text = json.dumps({"command": command(), "provenance": provenance(**measured)} | figures, indent=1) + "\n"
    if out:
        out.write_text(text)
    else:
        sys.stdout.write(text)
