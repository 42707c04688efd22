# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``semcom`` command."""

from __future__ import annotations

import sys

from ..errors import SemcomError


def main(argv: list[str] | None = None, program: str | None = None) -> int:
    """Run the command; the exit status (0 delivered, 1 not, 2 bad argument, 3 something missing).

    program : what the help calls the command, by default what was started.
    """
    from .app import app, click_exceptions

    try:
        status = app(args=argv, prog_name=program, standalone_mode=False)
    except SemcomError as error:
        sys.stderr.write(f"semcom: {error}\n")
        return error.exit_status
    except click_exceptions() as error:
        return show(error)
    except KeyboardInterrupt:
        sys.stderr.write("semcom: interrupted\n")
        return 130
    return status if isinstance(status, int) else 0


def show(error: Exception) -> int:
    """A usage error in one line, without the usage page."""
    sys.stderr.write(f"semcom: {error.format_message()} Try `semcom --help`.\n")
    return 2
