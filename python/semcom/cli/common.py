# SPDX-License-Identifier: GPL-3.0-or-later
"""What several sub-commands need to read their options and to print their results.

All that the command prints goes through :func:`put`, :func:`put_json`, :func:`complain` or a :func:`console`: what was
received, and what others wrote into a file, is shown as plain text.
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.text import Text

from .. import files, plain, values
from ..errors import NO_GNURADIO, BadInput, Missing, lacks_gnuradio


def parse_rate(text: str | None) -> float | None:
    """``1/12`` or ``0.083`` -> float."""
    if text is None:
        return None
    try:
        rate = float(values.fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise BadInput(f"--rate {text} is no ratio; write it as K/N, such as 1/12") from None
    if rate <= 0:
        raise BadInput(f"--rate {text} must be above 0; write it as K/N, such as 1/12")
    return rate


def finite(option: str, value: float) -> float:
    """A number of decibels that means something."""
    if not math.isfinite(value) or abs(value) > 100:
        raise BadInput(f"{option} {value} makes no sense; give decibels between -100 and 100")
    return value


def one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    """A choice, with a sentence when it is none."""
    if value not in known:
        raise BadInput(f"{option} {value} is not known; choose {', '.join(known)}")
    return value


def put(*lines: object) -> None:
    """Lines on standard output, at once: whoever reads them may be waiting for them."""
    plain.write(sys.stdout, lines)


MAX_SENTENCE = 2000
"""Characters: whatever somebody wrote into a file, what is said of it is no page."""


def complain(sentence: object) -> None:
    """A sentence on standard error."""
    plain.write(sys.stderr, [plain.line(f"semcom: {sentence}", MAX_SENTENCE)])


def wrote(path: object, more: str = "") -> None:
    """Say on standard output which file was written, with what more there is to say of it."""
    put(f"wrote {path}{': ' if more else ''}{more}")


def note(line: object) -> None:
    """A line on standard error that is no complaint."""
    plain.write(sys.stderr, [line])


def put_json(report: Mapping[str, Any]) -> None:
    """One JSON object in one line on standard output; what is not finite, the PSNR of a perfect picture, is null."""
    put(files.json_text(report))


def console(stderr: bool = False, width: int | None = None) -> Console:
    """A terminal that takes no text for markup."""
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def shown(value: object, style: str = "") -> Text:
    """A text from outside for a table: one line, no markup."""
    return Text(plain.line(value), style=style)


class Interruption:
    """Handler of Ctrl-C and of a batch system's request to quit: the first stops what runs, the second at once.

    What runs is left by KeyboardInterrupt, with all that it has to write. A second signal within ``TWICE`` seconds is
    the same one (``timeout`` sends it to the process and to its group); a later one makes the flowgraph wait for none
    of its workers. Signals after that change nothing.

    Parameters
    ----------
    patient : bool
        Whether the first signal lets workers finish their images; not where nobody would get them.

    Attributes
    ----------
    first : float or None
        When the first signal came.
    hurried : bool
        Whether a second one came.
    """

    TWICE = 0.5

    def __init__(self, patient: bool = True) -> None:
        self.first: float | None = None
        self.hurried = False
        self._patient = patient

    def __call__(self, number: int, frame: object) -> None:
        """A signal."""
        if self.first is None:
            self.first = time.monotonic()
            if not self._patient:
                self._hurry()
            raise KeyboardInterrupt
        if time.monotonic() - self.first > self.TWICE:
            self._hurry()

    def _hurry(self) -> None:
        self.hurried = True
        require("..blocks.worker").hurry()


@contextmanager
def interruptible(patient: bool = True) -> Iterator[Interruption]:
    """Signals are handled by an :class:`Interruption`; where workers were left, the process ends here with status 130.

    A handler that was used stays: the interpreter's own would raise wherever the process is on its way out.
    """
    handler = Interruption(patient)
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield handler
    finally:
        if handler.hurried:
            complain("interrupted")
            with suppress(OSError):
                sys.stdout.flush()
            sys.stderr.flush()
            # a worker may still be within a network, which does not survive the end of the interpreter
            os._exit(130)
        if handler.first is None:
            for number, earlier in before.items():
                signal.signal(number, earlier)


def require(module: str):
    """Import a part that needs GNU Radio, with a sentence when it is not here."""
    # standard output is for figures, also where GNU Radio has something to say
    os.environ.setdefault("GR_CONF_LOG_LOG_FILE", "stderr")
    try:
        return importlib.import_module(module, __package__)
    except ImportError as error:
        if lacks_gnuradio(error):
            raise Missing(f"this needs {NO_GNURADIO}") from None
        raise
