# SPDX-License-Identifier: GPL-3.0-or-later
"""Setters that a running flowgraph calls, and sentences that are counted instead of printed again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pmt

from .. import plain
from .. import semcom_python as native
from ..errors import sentence_of
from ..repeats import Repeats, with_times
from . import pdu

STATUS = pmt.intern("status")
MAX_LENGTH = 240
"""Characters of a sentence that repeats what was typed."""


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

    def report(self, name: str, sentence: str, error: BaseException | None = None, times: int = 0, **more: Any) -> None:
        """One sentence on the ``status`` port, which the block must have, and, when it is an error, in the log.

        An error that is said again is counted, and the log shows it the 1st, 2nd, 4th, 8th, ... time. Sentences that
        differ in their numbers count as one, see :mod:`~..repeats`. Who counts by himself gives the ``times``, and says
        them.
        """
        where = f"{name}: " if name else ""
        if error is not None:
            counted, said = times or self._repeats.count(sentence), sentence
            sentence = sentence if times else with_times(sentence, counted)
            more = {"sentence": said, "times": counted} | more
            if self._repeats.is_printed(counted):
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
