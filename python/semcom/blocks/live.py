# SPDX-License-Identifier: GPL-3.0-or-later
"""Setters that a running flowgraph calls, and sentences that are counted instead of printed again."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pmt

from .. import plain
from .. import semcom_python as native
from ..errors import sentence_of
from . import pdu

STATUS = pmt.intern("status")
MAX_LENGTH = 240
"""Characters of a sentence that repeats what was typed."""
MAX_SENTENCES = 64
"""How many different sentences are remembered; of those that were said before, the count begins anew."""


class Repeats:
    """How often each sentence was said, of the ``MAX_SENTENCES`` that were said last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, int] = {}  # the one that was said last is at the end

    def count(self, sentence: str) -> int:
        """Say it once more; how often it was said, this time included."""
        with self._lock:
            times = self._times.pop(sentence, 0) + 1
            self._times[sentence] = times
            if len(self._times) > MAX_SENTENCES:
                del self._times[next(iter(self._times))]
        return times


def with_times(sentence: str, times: int) -> str:
    """A sentence, and how often it was said where that is more than once."""
    return f"{sentence} ({times} times)" if times > 1 else sentence


def printed(times: int) -> bool:
    """Whether the log shows a sentence that was said so often: at 1, 2, 4, 8, ..."""
    return times & (times - 1) == 0


class speaking:
    """What says sentences on its port ``status``: the base of blocks in Python; blocks in C++ borrow its methods.

    Notes
    -----
    A key ``sentence`` of the message is what it says without the image's name and the count, and ``times`` the count.
    """

    @functools.cached_property
    def _repeats(self) -> Repeats:
        return Repeats()

    def has_run(self) -> bool:
        """Whether a flowgraph with the block was ever started; from then on its setters do not raise."""
        return native.has_run(getattr(self, "gateway", self).to_basic_block())

    def report(self, name: str, sentence: str, error: BaseException | None = None, **more: Any) -> None:
        """One sentence on the ``status`` port, which the block must have, and, when it is an error, in the log.

        An error that is said again is counted, and the log shows it the 1st, 2nd, 4th, 8th, ... time.
        """
        where = f"{name}: " if name else ""
        if error is not None:
            times = self._repeats.count(sentence)
            more = {"sentence": sentence, "times": times} | more
            sentence = with_times(sentence, times)
            if printed(times):
                self.logger.error(plain.line(where + sentence))
        self.message_port_pub(STATUS, pdu.message({"block": self.name(), "status": where + sentence} | more))


def live(setter: Callable) -> Callable:
    """A setter that GNU Radio Companion calls while the flowgraph runs: there it never raises.

    An exception would end the thread that sets, and in a Qt window the process. The sentence goes to ``status``
    instead, and the last good value stays; so a setter checks its value before it changes anything. Until the first
    start a wrong value is an error.

    Parameters
    ----------
    setter : callable
        A method of something that is ``speaking``.

    Returns
    -------
    callable
        The method; ``is_live`` marks it.
    """

    @functools.wraps(setter)
    def guarded(self: speaking, *args: Any, **options: Any) -> None:
        try:
            setter(self, *args, **options)
        except Exception as error:
            if not self.has_run():
                raise
            sentence = plain.line(sentence_of(error), MAX_LENGTH)
            self.report("", f"{sentence}; the last good value stays", error)

    guarded.is_live = True
    return guarded
