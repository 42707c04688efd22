# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs of life of what takes long, on standard error and only where that is a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .common import console

PATIENCE = 2.0  # seconds that nobody needs to be told of


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say what is done and for how long, from :data:`PATIENCE` on.

    Parameters
    ----------
    what : str
        A few words, such as "encoding photo.png".
    """
    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    # standard output stays what it is: it may lead elsewhere
    bar = Progress(*columns, console=terminal, transient=True, redirect_stdout=False)
    bar.add_task(what)
    timer = threading.Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
