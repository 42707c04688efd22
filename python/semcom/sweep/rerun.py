# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark run again, and its figures beside those of its record."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import files, plain, values
from ..errors import BadInput
from .reproduce import by_lot, check_share

FOLDER = Path("benchmarks")
RELATIVE, ABSOLUTE = 0.01, 0.05
"""By how much a figure may differ: of its value, or in its unit where that is more."""
DATA = {"--kodak": "kodak", "--voc": "voc_test", "--coco": "coco_val"}
"""Options of benchmarks that name a folder of data, and what it is called."""
SCRATCH = frozenset({"--cache", "--journal", "--work", "--pictures", "--masks-cache"})
_CLOCK = re.compile(r"second|_s\b|_ms\b|mbit|per_|rate_of|peak|_mb\b|memory|wall|times_|speed|cores|megabytes")
_SKIPPED = frozenset({"command", "provenance", "machine", "version", "commit"})
_MAX_WHY = 500


@dataclass(frozen=True)
class Difference:
    """A figure that came out otherwise.

    Attributes
    ----------
    where : str
        Its place in the record.
    recorded, found : float or None
        Its value; None where one of them has none.
    """

    where: str
    recorded: float | None
    found: float | None


@dataclass(frozen=True)
class Rerun:
    """What came of a benchmark that was run again.

    Attributes
    ----------
    rows : tuple of str
        The rows that were measured; empty where the benchmark has none.
    compared : int
        Figures that both have; times and memory are those of a machine, and not compared.
    differences : tuple of Difference
        Those that are further apart than they may be.
    """

    rows: tuple[str, ...]
    compared: int
    differences: tuple[Difference, ...]


def is_benchmark(record: Any) -> bool:
    """Whether a record, or its rows, were written by a benchmark of the repository.

    Parameters
    ----------
    record : object
        As it was read.

    Returns
    -------
    bool
        By its commands.
    """
    if not isinstance(record, Mapping):
        return False
    return any(command.startswith(f"python {FOLDER}/") for command in _commands(record).values())


def rerun(record: Path, data: Path, share: float, say: Callable[[str], None]) -> Rerun:
    """Run the command of a record again and compare.

    Parameters
    ----------
    record : Path
        JSON file that a benchmark wrote.
    data : Path
        Folder with ``kodak``, ``voc_test`` and ``coco_val``, whichever the benchmark needs.
    share : float
        Of its rows, above 0 and up to 1, drawn by lot; a benchmark without rows is run whole.
    say : callable
        Called with each command before it runs.

    Returns
    -------
    Rerun
        What was compared, and what differs.

    Raises
    ------
    BadInput
        A share that is none, it is no record of a benchmark, this is no checkout of the repository, or the command
        fails.
    """
    check_share(share, "rows")
    known = values.mapping(files.read_json(record, "a record of a benchmark"), "it")
    commands = {name: text for name, text in _commands(known).items() if text.startswith(f"python {FOLDER}/")}
    rows = tuple(name for name in commands if name)
    # rows are run one by one: the command of the file is that of the last of them
    chosen = by_lot(rows, share, least=1) if rows else ("",)
    compared, differences = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            words = _words(commands[name], data, Path(folder))
            say(shlex.join(words))
            again = _run(words, Path(folder) / "again.json")
            if name:
                again = values.mapping(values.mapping(again, "it").get(name, {}), name)
            for where, one, other in _pairs(known[name] if name else known, again, name):
                compared += 1
                if not _alike(one, other):
                    differences.append(Difference(where, one, other))
    return Rerun(chosen if rows else (), compared, tuple(differences))


def _commands(record: Mapping[str, Any]) -> dict[str, str]:
    """Command by row, that of the whole file under the empty name."""
    found = {"": record.get("command")} | {
        name: row.get("command") for name, row in record.items() if isinstance(row, Mapping) and "command" in row
    }
    return {name: command for name, command in found.items() if isinstance(command, str)}


def _words(command: str, data: Path, scratch: Path) -> list[str]:
    """The command line to run; data from ``data``, and all that it writes in ``scratch``."""
    try:
        _, script, *rest = shlex.split(command)
    except ValueError as error:
        raise BadInput(f"its command is no command line: {error}") from None
    path = Path(script)
    if path.parent != FOLDER or not path.is_file():
        raise BadInput(f"{script} is not here; run this in a checkout of gr-semcom that has it")
    made, words = [sys.executable, script], iter(rest)
    for word in words:
        if word == "--out":
            next(words, None)
        elif word in SCRATCH:
            made += [word, str(scratch / Path(next(words, "x")).name)]
        elif word in DATA:
            next(words, None)
            made += [word, str(data / DATA[word])]
        else:
            made.append(word)
    return [*made, "--out", str(scratch / "again.json")]


def _run(words: Sequence[str], out: Path) -> Any:
    out.unlink(missing_ok=True)
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode or not out.exists():
        lines = done.stderr.strip().splitlines()
        why = plain.line(lines[-1] if lines else "it wrote nothing", _MAX_WHY)
        raise BadInput(f"{shlex.join(words[1:-2])} ended with status {done.returncode}: {why}")
    return files.read_json(out, "a record of a benchmark")


def _pairs(one: Any, other: Any, where: str) -> Iterator[tuple[str, float | None, float | None]]:
    """Every figure of a record, and what is at its place in another."""
    if isinstance(one, Mapping):
        for key, value in one.items():
            if key not in _SKIPPED and not _CLOCK.search(key):
                yield from _pairs(value, other.get(key) if isinstance(other, Mapping) else None, f"{where}/{key}")
    elif isinstance(one, list):
        for index, value in enumerate(one):
            there = isinstance(other, list) and index < len(other)
            yield from _pairs(value, other[index] if there else None, f"{where}/{index}")
    elif _is_number(one):
        yield where, float(one), float(other) if _is_number(other) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one == other
    return abs(one - other) <= max(ABSOLUTE, RELATIVE * abs(one))
