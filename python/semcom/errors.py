# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a user can cause or mend. Their text is one sentence: what is wrong and what to do."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

# what pybind11 says of arguments, with all signatures that there are, and with the object's address
_OF_A_BINDING = re.compile(r"(\w+\(\)): incompatible function arguments\..*Invoked with: (.*)")
_ADDRESS = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>(, )?")


class SemcomError(Exception):
    """Base class of the errors that a user can cause or mend.

    Attributes
    ----------
    exit_status : int
        What the command line returns for it.
    """

    exit_status = 1


class BadInput(SemcomError, ValueError):
    """An argument, file or PDU that cannot be used as it is (exit status 2).

    Parameters
    ----------
    sentence : str
        What is wrong and what to do. With ``field`` it continues the field's name: "must be 0 or more, got -1".
    field : str
        Name of the setting that is wrong; whoever offered it under another name, as the command does, replaces it.
    """

    exit_status = 2

    def __init__(self, sentence: str, field: str = ""):
        super().__init__(sentence)
        self.sentence, self.field = sentence, field

    def __str__(self) -> str:
        return f"{self.field} {self.sentence}" if self.field else self.sentence

    def __reduce__(self):  # a worker process hands it over with its field
        return type(self), (self.sentence, self.field)


class Undecodable(BadInput):
    """What was received holds no picture; nobody's mistake but the channel's."""

    exit_status = 1


class Missing(SemcomError):
    """Something that must be installed or fetched first (exit status 3)."""

    exit_status = 3


class Ended(SemcomError):
    """A part of a flowgraph died while it ran (exit status 1)."""


def sentence_of(error: BaseException) -> str:
    """What an error says, in one line.

    Parameters
    ----------
    error : BaseException
        Raised before.

    Returns
    -------
    str
        Its own words where they are meant for a user; else with its type and the line that raised it, since somebody
        has to mend that line: that of a scheme of one's own, say.
    """
    words = " ".join(str(error).split())
    if found := _OF_A_BINDING.fullmatch(words):
        words = f"{found[1]} cannot take {_ADDRESS.sub('', found[2])}"
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SemcomError | ValueError) or not frames:
        return words
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}: {words}"


def let_go(error: BaseException) -> None:
    """Forget where an error was raised, and with that all that was at hand there, such as arrays.

    Parameters
    ----------
    error : BaseException
        Handled, and kept by somebody; what :func:`sentence_of` has to say of it is said.
    """
    left: BaseException | None = error
    while left is not None:
        left.__traceback__ = None
        left = left.__cause__ or left.__context__


NO_GNURADIO = (
    "GNU Radio with the blocks of gr-semcom, which are not installed for this Python (pip installs neither); run "
    "./bootstrap build, or install both into the system"
)


def lacks_gnuradio(error: ImportError) -> bool:
    """Whether an import failed because GNU Radio, or what is built for it, is not here.

    Parameters
    ----------
    error : ImportError
        Raised by the import of a block or link.

    Returns
    -------
    bool
        False where they are here and do not load.
    """
    name = error.name or ""
    if not isinstance(error, ModuleNotFoundError):
        # pip installs a package gnuradio that has semcom in it, and no gr
        return name == "gnuradio"
    return name.split(".")[0] in ("gnuradio", "pmt") or name.endswith("semcom_python")
