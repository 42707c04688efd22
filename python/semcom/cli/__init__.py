# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``semcom`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from .. import plain
from ..errors import BadInput, SemcomError, sentence_of

TRACEBACK = "SEMCOM_TRACEBACK"
MAX_WHY = 500  # characters of an exception


def main(argv: list[str] | None = None, program: str | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process by default.
    program : str, optional
        What the help calls the command, by default what was started.

    Returns
    -------
    int
        Exit status, of :data:`.help.EXIT_STATUS`.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        from .app import app
    except ModuleNotFoundError as error:
        return incomplete(arguments, error)

    # made anew: a scheme may have been registered since
    return guarded(lambda: app()(args=arguments, prog_name=program, standalone_mode=False))


def incomplete(arguments: list[str], error: ModuleNotFoundError) -> int:
    """Exit status where a Python package is missing: only ``doctor`` can do without."""
    from .doctor import report

    if arguments[:1] == ["doctor"]:
        return report("--fix" in arguments, "--json" in arguments)
    plain.write(sys.stderr, [f"semcom: the Python package {error.name} is missing; run semcom doctor --fix"])
    return 3


def guarded(command: Callable[[], object]) -> int:
    """Exit status of a command, whose errors are said in a sentence each."""
    from typer import Abort

    from .app import click_exceptions
    from .common import complain

    try:
        status = command()
    except SemcomError as error:
        complain(sentence(error))
        return error.exit_status
    except click_exceptions() as error:
        return show(error)
    except (KeyboardInterrupt, Abort):
        complain("interrupted")
        return 130
    except BrokenPipeError:
        # whoever read has enough; the interpreter would say so once more at its end
        with suppress(OSError):
            sys.stdout.close()
        return 1
    except MemoryError:
        complain("there is not enough memory for this; give something smaller, or end other programs")
        return 1
    except Exception as error:
        # a mistake of ours: whoever reports it sees it again with its traceback
        if os.environ.get(TRACEBACK):
            raise
        why = plain.line(sentence_of(error), MAX_WHY)
        complain(f"{why}: this is a fault of gr-semcom; report it with what {TRACEBACK}=1 shows")
        return 1
    return status if isinstance(status, int) else 0


def sentence(error: SemcomError) -> str:
    """What went wrong, a setting by the name of its option."""
    if isinstance(error, BadInput) and error.field:
        return f"{option_of(error.field)} {error.sentence}"
    return str(error)


def option_of(field: str) -> str:
    """The option that sets a field."""
    return "--" + _OPTIONS.get(field, field).replace("_", "-")


# fields whose options have names of their own
_OPTIONS = {"prompts": "prompt"}


def show(error: Exception) -> int:
    """A usage error in one line, without the usage page."""
    from .common import complain

    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    complain(f"{message[:1].lower()}{message[1:]}; see {context.command_path if context else 'semcom'} --help")
    return 2
