# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands one after the other in one process, and says of each what became of it and what it took.

    python hostile_driver.py SECONDS < COMMANDS

A line of standard input is a JSON list of arguments of ``semcom``; a line of standard output a JSON object. A command
that takes longer than SECONDS ends the process.
"""

from __future__ import annotations

import io
import json
import signal
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from gnuradio.semcom.cli import main

KEPT = 20_000  # characters of what was said


def memory(name: str) -> int:
    """Kilobytes, of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def run(arguments: list[str]) -> dict:
    """One command."""
    out, err = io.StringIO(), io.StringIO()
    with suppress(OSError):  # where the kernel lets it, the peak begins anew
        Path("/proc/self/clear_refs").write_text("5")
    before, begun, raised = memory("VmHWM"), time.monotonic(), ""
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(arguments)
        except BaseException:
            status, raised = -1, traceback.format_exc()
    return {
        "status": status,
        "out": len(out.getvalue()),
        "err": err.getvalue()[:KEPT],
        "raised": raised[-KEPT:],
        "risen_mb": round((memory("VmHWM") - before) / 1e3, 1),
        "peak_mb": round(memory("VmHWM") / 1e3, 1),
        "seconds": round(time.monotonic() - begun, 2),
    }


def serve(seconds: int) -> None:
    """Every command of standard input."""
    for line in sys.stdin:
        signal.alarm(seconds)
        said = json.dumps(run(json.loads(line)))
        signal.alarm(0)
        sys.__stdout__.write(said + "\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
