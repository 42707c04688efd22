# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets by name, and the loop that runs one of them."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gnuradio import semcom

from .afterwards import Afterwards
from .codec import Codec
from .commands import Commands
from .common import HANG, SLOW, require
from .flowgraph import Flowgraph
from .frames import Frames
from .joining import Join
from .journals import Journals
from .maps import Maps
from .pictures import Pictures
from .reassembly import Decoder, DigitalDecoder
from .reception import Receiving
from .recordings import Sigmf
from .scenes import Scenes
from .sink import Sink
from .stores import Stores

TARGETS: dict[str, Callable] = {
    "decoder": Decoder,
    "decoder_digital": DigitalDecoder,
    "decoder_samsc": lambda seed: Decoder(seed, "samsc"),
    "reception": Receiving,
    "join": Join,
    "sink": Sink,
    "codec": Codec,
    "flowgraph": Flowgraph,
    "sigmf": Sigmf,
    "scene": Scenes,
    "map": Maps,
    "zmq": Frames,
    "command": Commands,
    "image": Pictures,
    "weights": Stores,
    "journal": Journals,
    "afterwards": Afterwards,
}

MAX_RISEN = 2**28
"""Bytes by which one input may raise what is resident: what C libraries take is in it, and Python's tracing knows
nothing of it. A target that makes large pictures has a ``MAX_RISEN`` of its own."""

PATIENCE = 5
"""Seconds of the clock on the wall for each second of processor time that is asked for."""

_SANITIZED = 2  # times as much, with the zones around every allocation


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak_of(step: Callable[[], bool]) -> tuple[bool, int, float]:
    """What a step gives, by how many bytes it raised what is resident, and the seconds of processor time it took."""
    with suppress(OSError):  # where the kernel lets it, the peak begins anew
        Path("/proc/self/clear_refs").write_text("5")
    before, begun = resident("VmHWM"), time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SLOW)
    accepted = bool(step())
    signal.setitimer(signal.ITIMER_PROF, 0)
    return accepted, resident("VmHWM") - before, time.process_time() - begun


def resident(which: str) -> int:
    """Bytes, of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{which}:")).split()[1])


def run(name: str, seconds: float, seed: int) -> dict:
    """Run one target for so many seconds; its figures."""
    target = TARGETS[name](seed)
    allowed = getattr(target, "MAX_RISEN", MAX_RISEN) * (_SANITIZED if "ASAN_OPTIONS" in os.environ else 1)
    # says where it was, and ends the process
    faulthandler.register(signal.SIGPROF, chain=True)
    most, slowest = 0, 0.0
    tracemalloc.start()
    begun = time.process_time()  # so that the figures mean the same on a busy machine
    ends = time.monotonic() + PATIENCE * seconds  # what waits for others takes hardly any
    iterations = accepted = 0
    settled = None
    try:
        while (elapsed := time.process_time() - begun) < seconds and time.monotonic() < ends:
            faulthandler.dump_traceback_later(HANG, exit=True)
            try:
                taken, risen, spent = peak_of(target.step)
                require(risen <= allowed, f"{risen} bytes became resident where {allowed} are enough")
                accepted, most, slowest = accepted + taken, max(most, risen), max(slowest, spent)
            except Exception:
                print(f"{name}: seed {seed}, iteration {iterations}", file=sys.stderr)
                raise
            iterations += 1
            if settled is None and elapsed > seconds / 4:
                settled = resident_mb()
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)
        tracemalloc.stop()
        if hasattr(target, "close"):
            target.close()
    return {
        "target": name,
        "module": semcom.semcom_python.__file__,
        "seed": seed,
        "seconds": round(elapsed, 1),
        "iterations": iterations,
        "accepted": accepted,
        "rejected": iterations - accepted,
        "largest_allocation_bytes": target.spent,
        "largest_rise_mb": round(most / 1e6, 1),
        "allowed_rise_mb": round(allowed / 1e6, 1),
        "largest_seconds": round(slowest, 2),
        "resident_growth_mb": round(resident_mb() - (settled or resident_mb()), 1),
        "resident_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }
