# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets by name, and the loop that runs one of them."""

from __future__ import annotations

import faulthandler
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from gnuradio import semcom

from .codec import Codec
from .common import HANG
from .flowgraph import Flowgraph
from .joining import Join
from .maps import Maps
from .reassembly import Decoder, DigitalDecoder
from .reception import Receiving
from .recordings import Sigmf
from .scenes import Scenes
from .sink import Sink

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
}


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def run(name: str, seconds: float, seed: int) -> dict:
    """Run one target for so many seconds; its figures."""
    target = TARGETS[name](seed)
    tracemalloc.start()
    begun = time.process_time()  # so that the figures mean the same on a busy machine
    iterations = accepted = 0
    settled = None
    try:
        while (elapsed := time.process_time() - begun) < seconds:
            faulthandler.dump_traceback_later(HANG, exit=True)
            try:
                accepted += bool(target.step())
            except Exception:
                print(f"{name}: seed {seed}, iteration {iterations}", file=sys.stderr)
                raise
            iterations += 1
            if settled is None and elapsed > seconds / 4:
                settled = resident_mb()
    finally:
        faulthandler.cancel_dump_traceback_later()
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
        "resident_growth_mb": round(resident_mb() - (settled or resident_mb()), 1),
        "resident_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }
