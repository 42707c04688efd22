# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep from its settings to its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from .. import __version__, files
from ..errors import BadInput, Missing
from ..image import io
from ..schemes import Conditions
from . import regions
from .executors import Executor, Group, Task
from .journal import Journal
from .report import report
from .settings import SweepSettings, rate_value
from .tasks import Condition, Encoding, Figures, checked

Progress = Callable[[int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep.

    Attributes
    ----------
    path : Path or None
        Of the JSON file; None if nothing could be measured, and no file was written.
    points : int
        Lines of the figure.
    images : int
        Images measured under at least one of them.
    measured, reused : int
        Tasks done now, and taken from the journal of a sweep that did not end.
    """

    path: Path | None
    points: int
    images: int
    measured: int
    reused: int


def journal_path(out: Path) -> Path:
    """Where a sweep that writes ``out`` keeps what it has so far."""
    return out.with_suffix(".partial.jsonl")


def sweep(
    settings: SweepSettings, executor: Executor, progress: Progress | None = None, say: Say | None = None
) -> Outcome:
    """Measure every image at every point and write ``settings.out``.

    Each result goes into a journal beside the output at once; a sweep that is started again after it was killed takes
    from there what was measured with the same parameters, image, weights and version. The journal is removed when the
    file is written.

    Parameters
    ----------
    settings : SweepSettings
        What is varied, and what is held fixed.
    executor : Executor
        See :mod:`.executors`.
    progress : callable, optional
        Called with tasks done and tasks in all.
    say : callable, optional
        Called with a sentence for each rate that the scheme does not have and for each image that failed.

    Returns
    -------
    Outcome
        What was measured, and where it is.

    Raises
    ------
    BadInput
        No images, no rate that the scheme has, or the output cannot be written.
    Missing
        Weights or packages that the scheme needs are not here.
    """
    say = say or (lambda sentence: None)
    progress = progress or (lambda done, total: None)
    plan = _Plan(settings, say)
    results: dict[tuple[str, str | None, Condition], Figures] = {}
    failures: dict[tuple[str, str | None], str] = {}
    reused = done = 0
    with Journal(journal_path(settings.out)) as journal:
        known: list[Task] = []
        groups = list(plan.groups())
        for group in groups:
            for task in group.tasks:
                if task.key in journal:
                    known.append(task)
                    results[plan.place(group, task)] = _of_journal(journal, task)
        reused, total = len(known), sum(len(group.tasks) for group in groups)
        progress(reused, total)
        finished = {task.key for task in known}
        lacking = (replace(g, tasks=tuple(t for t in g.tasks if t.key not in finished)) for g in groups)
        for group, task, figures in executor(group for group in lacking if group.tasks):
            if isinstance(figures, Missing):
                raise figures
            if isinstance(figures, ImportError):
                raise Missing(f"the workers lack {figures.name}; install the same gr-semcom there as on this machine")
            if isinstance(figures, Exception):
                sentence = str(figures) if isinstance(figures, BadInput) else f"{type(figures).__name__}: {figures}"
                if (group.image, group.rate) not in failures:
                    say(f"{group.image} is left out: {sentence}")
                failures[group.image, group.rate] = sentence
            else:
                if figures.pop("weights") != plan.weights:
                    raise BadInput(
                        "the workers have other weights than this machine; install the same gr-semcom on all of them"
                    )
                journal.add(task.key, figures)
                results[plan.place(group, task)] = figures
            done += 1
            progress(reused + done, total)
        if not results:
            return Outcome(None, 0, 0, done, reused)
        record = report(settings, plan.names, plan.rates, plan.weights, results, failures)
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
        files.replace(settings.out, lambda stream: stream.write(text.encode()))
        journal.remove()
    return Outcome(settings.out, len(record["points"]), len({name for name, _, _ in results}), done, reused)


def _of_journal(journal: Journal, task: Task) -> Figures:
    """What a sweep before this one measured."""
    figures = journal[task.key]
    try:
        return checked(figures, len(task.condition.seeds))
    except BadInput as error:
        raise BadInput(f"{journal.path} holds what no sweep measures: {error}; take it away") from None


class _Plan:
    """The work of a sweep, before it is known what of it is done already."""

    def __init__(self, settings: SweepSettings, say: Say):
        self._settings = settings
        self._files = io.listed(settings.images)
        self.names = [file.name for file in self._files]
        if missing := set(settings.only) - set(self.names):
            raise BadInput(f"{settings.images} has no {min(missing)}; name the folder that the sweep was of")
        self._scheme, self._options = settings.scheme_options()
        self.weights = self._scheme.load(self._options) | regions.load(settings.region)
        self._adapts = self._scheme.adapts_to(self._options)
        self.rates = tuple(rate for rate in settings.rates if self._can(rate, say))

    def groups(self) -> Iterator[Group]:
        """Image after image, so that workers seldom change what they hold."""
        for number, file in enumerate(self._files):
            if self._settings.only and file.name not in self._settings.only:
                continue
            try:
                digest = files.sha256(file, "a picture file", io.MAX_BYTES)
            except BadInput:
                digest = ""  # loading it will say what is wrong
            for rate in self.rates:
                # encoded once for all points, or once for each that the encoder adapts to
                encodings: dict[Encoding, list[Condition]] = {}
                for point in self._settings.points():
                    seeds = self._settings.channel_seeds(point.channel, number, point.snr_db)
                    encodings.setdefault(self._encoding(rate, point), []).append(replace(point, seeds=seeds))
                for encoding, conditions in encodings.items():
                    yield Group(
                        image=file.name,
                        rate=rate,
                        load=partial(io.load, file),
                        encoding=encoding,
                        metrics=self._settings.metrics,
                        tasks=tuple(Task(self._key(digest, rate, c), c) for c in conditions),
                    )

    def _encoding(self, rate: str | None, point: Condition) -> Encoding:
        """How an image is encoded for one point: what the encoder does not adapt to is the same in all of them."""
        known = {"snr_db": point.snr_enc_db, "channel": point.channel, "k_factor_db": point.k_factor_db}
        conditions = Conditions(rate_value(rate), self._settings.points()[0].snr_enc_db)
        conditions = replace(conditions, **{name: known[name] for name in self._adapts})
        return Encoding(self._scheme, self._options, conditions, self._settings.treated)

    def _can(self, rate: str | None, say: Say) -> bool:
        """Whether the scheme has this rate; the only rate that is asked for must be available."""
        try:
            self._scheme.check_rate(rate_value(rate), self._options)
        except BadInput as error:
            if len(self._settings.rates) == 1:
                raise
            say(f"rate {rate} is left out: {error}")
            return False
        return True

    def place(self, group: Group, task: Task) -> tuple[str, str | None, Condition]:
        """Where a result belongs: image, rate and condition less its seeds."""
        return group.image, group.rate, replace(task.condition, seeds=())

    def _key(self, digest: str, rate: str | None, condition: Condition) -> str:
        settings = self._settings
        everything = {
            "image": digest,
            "scheme": self._scheme.name,
            "options": asdict(self._options),
            "weights": self.weights,
            "rate": rate_value(rate),
            "condition": asdict(condition),
            "region": asdict(settings.treated),
            "metrics": sorted(settings.metrics),
            "version": __version__,
        }
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
