# SPDX-License-Identifier: GPL-3.0-or-later
"""What a paper's figures are of: points of pictures, measured once, by several processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .. import __version__, files, plain, schemes
from ..errors import BadInput
from ..sweep.journal import Journal

MAX_WHY = 160  # characters of an exception


@dataclass(frozen=True)
class Job:
    """A picture, and the points that are measured of it.

    Attributes
    ----------
    function : callable
        Of a module; called with ``arguments`` and a list of points, gives the figures of each.
    arguments : tuple
        That can be pickled.
    keys : mapping
        Point to the key under which a journal has its figures.
    """

    function: Callable[..., list[Any]]
    arguments: tuple
    keys: Mapping[Hashable, str]


class Way(Protocol):
    """A way to send a picture."""

    @property
    def name(self) -> str:
        """In figures and tables."""
        ...

    @property
    def scheme(self) -> str:
        """Of the registry."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Of the scheme."""
        ...


W = TypeVar("W", bound=Way)


def available(ways: Sequence[W], say: Callable[[str], None]) -> tuple[list[W], dict[str, str]]:
    """The ways whose schemes and weights are here.

    Parameters
    ----------
    ways : sequence of Way
        That are wanted.
    say : callable
        Told of each that is left out, in a line.

    Returns
    -------
    list of Way, dict of str to str
        Those that there are, and the sha256 of their files of weights.
    """
    known, found, weights = schemes.schemes(), [], {}
    for way in ways:
        scheme = known.get(way.scheme)
        if scheme is None or not scheme.variants():
            say(f"{way.name} is left out: {'it is not known' if scheme is None else scheme.missing()}")
            continue
        found.append(way)
        weights |= scheme.load(scheme.options(way.options))
    return found, weights


def key_of(*everything: Any) -> str:
    """The key of a point: a digest of all that its figures depend on, this version included.

    Parameters
    ----------
    *everything : object
        That JSON knows.

    Returns
    -------
    str
        Hexadecimal.
    """
    return hashlib.sha256(json.dumps([*everything, __version__], sort_keys=True).encode()).hexdigest()


def gathered(
    journal: Journal, jobs: Sequence[Job], workers: int, say: Callable[[str], None]
) -> dict[Hashable, list[Any]]:
    """The figures of all points, in the order of the jobs; measured where the journal does not have them.

    Parameters
    ----------
    journal : Journal
        Open.
    jobs : sequence of Job
        One for each picture, all of the same points.
    workers : int
        Processes.
    say : callable
        Told how many pictures are done, in a line.

    Returns
    -------
    dict of point to list
        Figures of each picture.
    """
    found: dict[Hashable, list[Any]] = {}
    wanted = [[point for point, key in job.keys.items() if key not in journal] for job in jobs]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = [pool.submit(job.function, *job.arguments, todo) for job, todo in zip(jobs, wanted, strict=True)]
        for done, (job, todo, future) in enumerate(zip(jobs, wanted, running, strict=True), start=1):
            for point, figures in zip(todo, future.result(), strict=True):
                journal.add(job.keys[point], {"figures": figures})
            say(f"{done} of {len(jobs)} pictures")
    for job in jobs:
        for point, key in job.keys.items():
            with added_up(journal):
                found.setdefault(point, []).append(journal[key]["figures"])
    return found


@contextmanager
def added_up(journal: Journal) -> Iterator[None]:
    """Figures are added up: BadInput where the journal had others than are measured here.

    Parameters
    ----------
    journal : Journal
        Where they are from.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        why = plain.line(f"{type(error).__name__}: {error}", MAX_WHY)
        raise BadInput(f"{journal.path} holds what is not measured here ({why}); take it away") from error


def publish(out: Path, record: Mapping[str, Any], page: str) -> None:
    """Write figures.json and verdict.md.

    Parameters
    ----------
    out : Path
        Folder, made where there is none.
    record : mapping
        What was measured.
    page : str
        What it says of the paper's claims, Markdown.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("figures.json", files.json_text(record, indent=1)), ("verdict.md", page)):
        files.replace(out / name, lambda stream, text=text: stream.write(text.encode()))
