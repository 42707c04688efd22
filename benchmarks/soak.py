#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver for minutes: honest scenes faster than it decodes them, and a mix of what is hostile.

    python benchmarks/soak.py --image PHOTO --seconds 600 --out results/soak.json

``scenes``: a JSCC Decoder gets the bursts of scenes ten times as fast as it decodes them, as in overload.py.
``hostile``: ``semcom rx --keep`` listens over ZeroMQ to good pictures, and between them to one of the kinds of
hostile.py, drawn anew each time, as fast as it takes them. Memory counts from the first quarter of the time on, and has
grown by as much as its peak in the second half of what is left is above that in the first. A stop is compared with the
time of two pictures.
"""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from common import arguments, by_rows
from common.process import resident_mb
from hostile import COMMAND, KINDS, good, is_good, on_the_air, silence
from overload import SCENES, grown, overload
from two_ends import address

KEPT = 16  # pictures in the folder
FRAME = 2**15  # samples of a ZeroMQ message
MIX = (
    "softcast, 4 bursts of 5792x5792", "samsc, a sixteenth of 2048x2048", "semcom, a sixteenth of 2048x2048",
    "digital, AVIF of 4096x4096 in a burst", "scene, striped map in 8 parts", "scene, 60 failing sections",
    "scene, caption alone for 4096x4096", "scene, 2,000 characters for 32767x64", "copies of every third header",
)  # fmt: skip


def scenes(photo: Path, seconds: float) -> dict[str, Any]:
    """A block that is too slow."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(overload, SCENES, photo, seconds, Path(folder)).result()


def samples_of(make: Callable, path: Path) -> np.ndarray:
    """Bursts on the air, and the silence after them."""
    path.unlink(missing_ok=True)
    on_the_air(make(), path)
    silence(path)
    return np.fromfile(path, np.complex64)


class Sender:
    """Good pictures and hostile bursts in turns, until it is told to end."""

    def __init__(self, via: str, honest: np.ndarray, mix: dict[str, np.ndarray]):
        self.sent = Counter()
        self.over = threading.Event()
        self._air, self._mix, self._rng = honest, mix, np.random.default_rng(0)
        self._socket = zmq.Context.instance().socket(zmq.PUSH)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 16)
        self._socket.setsockopt(zmq.SNDTIMEO, 500)
        self._socket.bind(via.removeprefix("zmq:"))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self.over.is_set():
            if self._push(self._air):
                self.sent["good"] += 1
            kind = str(self._rng.choice(list(self._mix)))
            if self._push(self._mix[kind]):
                self.sent[kind] += 1
        self._socket.close()

    def _push(self, samples: np.ndarray) -> bool:
        at = 0
        while at < len(samples) and not self.over.is_set():
            try:
                self._socket.send(samples[at : at + FRAME].tobytes())
                at += FRAME
            except zmq.Again:  # the receiver has enough for now
                pass
        return at >= len(samples)

    def end(self) -> None:
        """It has sent enough."""
        self.over.set()
        self._thread.join()


def hostile(seconds: float) -> dict[str, Any]:
    """``semcom rx`` beside somebody who means no good."""
    via, megabytes, most_files, heard = address(), [], 0, Counter()
    with tempfile.TemporaryDirectory() as folder:
        out, complaints = Path(folder) / "got", Path(folder) / "complaints"
        mix = {kind: samples_of(KINDS[kind], Path(folder) / "air") for kind in MIX}
        sender = Sender(via, samples_of(good, Path(folder) / "air"), mix)
        with complaints.open("wb") as said:
            command = [COMMAND, "rx", "--via", via, "--out", out, "--keep", str(KEPT), "--json"]
            receiver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)

        def read() -> None:
            for line in receiver.stdout:
                heard["good" if is_good(json.loads(line)) else "other"] += 1

        reader = threading.Thread(target=read)
        reader.start()
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds and receiver.poll() is None:
            time.sleep(min(1.0, seconds / 20))
            if passed > seconds / 4:
                megabytes.append(resident_mb(receiver.pid))
                most_files = max(most_files, len(list(out.glob("*.png"))))
        stopping = time.perf_counter()
        receiver.send_signal(signal.SIGINT)
        status = receiver.wait()
        stopped = time.perf_counter() - stopping
        reader.join()
        sender.end()
        lines = len(complaints.read_text().splitlines())
    return {
        "seconds": round(passed, 1),
        "sent": dict(sorted(sender.sent.items())),
        "good_pictures_received": heard["good"],
        "other_pictures_received": heard["other"],
        "lines_of_complaint": lines,
        "pictures_in_the_folder_at_most": most_files,
        "mb": round(max(megabytes), 1),
        "mb_grown": grown(megabytes),
        "stop_seconds": round(stopped, 2),
        "exit_status": status,
    }


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__, smoke=True, out=Path("results/soak.json"))
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--only", choices=("scenes", "hostile"), action="append", help="measure this row, repeatable")
    options = parser.parse_args()
    rows = {"scenes": partial(scenes, options.image, options.seconds), "hostile": partial(hostile, options.seconds)}
    by_rows(options, rows, {name: {} for name in rows}, images=[options.image.name], seed=0)


if __name__ == "__main__":
    main()
