# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes on this machine that train one network together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from .. import files

MAX_WORDS = 2**20
PATIENCE = 20.0
"""Seconds for the others to end after one has failed."""


def together(count: int, function: Callable[[object], int], argument: object) -> tuple[int, str]:
    """Call a function in processes of their own that find each other as those of ``torchrun`` do.

    Ctrl-C and SIGTERM reach each of them. When one fails, the others, which would wait for it, are ended.

    Parameters
    ----------
    count : int
        Processes.
    function : callable
        Of a module, called with ``argument``; gives an exit status.
    argument : object
        That can be pickled.

    Returns
    -------
    int, str
        Exit status of the one that failed first, else 0; and what it said where nothing was shown of that: of all but
        the first one the standard error is kept.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / str(rank) for rank in range(count)]
        processes = [
            context.Process(target=_one, args=(rank, count, port, said[rank], function, argument))
            for rank in range(count)
        ]
        # a terminal sends Ctrl-C to all of them
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for process in processes:
                process.start()
            signal.signal(signal.SIGTERM, lambda number, frame: _terminate(processes))
            first = _first_failure(processes)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if first is None:
            return 0, ""
        status, words = processes[first].exitcode, ""
        # the others fail of its failure, but for the first one, which may have said the same itself
        if said[first].exists() and not (first and processes[0].exitcode == status):
            words = files.read(said[first], MAX_WORDS).decode(errors="replace").strip()
        return (status if status > 0 else 128 - status), words


def _first_failure(processes: list[BaseProcess]) -> int | None:
    """Wait for all; the rank of the one that failed first."""
    first, running = None, list(processes)
    while running:
        # who waits for one that failed mostly hears of it, and who saves is left to it
        if not wait([process.sentinel for process in running], None if first is None else PATIENCE):
            _terminate(running)
        # one look at each: a process that ends between two looks would be neither running nor failed
        ended = {process: process.exitcode for process in running}
        failed = [process for process, status in ended.items() if status]
        running = [process for process, status in ended.items() if status is None]
        if failed and first is None:
            first = min(map(processes.index, failed))
    return first


def _terminate(processes: list[BaseProcess]) -> None:
    for process in processes:
        if process.exitcode is None:
            process.terminate()


def _one(rank: int, count: int, port: int, said: Path, function: Callable[[object], int], argument: object) -> None:
    """One of the processes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    # whoever trains sets its threads itself; accelerate warns where this is not there
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if rank:
        # all would say what the first one says
        sys.stderr = TextIOWrapper(files.growing(said, "wb"), write_through=True)
        os.dup2(sys.stderr.fileno(), 2)
    if torch.cuda.device_count() < count:
        os.environ["ACCELERATE_USE_CPU"] = "1"
    try:
        status = function(argument)
    except Exception:
        files.replace(said, lambda stream: stream.write(traceback.format_exc().encode()))
        status = 1
    sys.exit(status)
