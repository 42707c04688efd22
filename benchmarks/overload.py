#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every worker block, and ``semcom rx``, at ten times its speed: memory, drops, and how long a stop takes.

    python benchmarks/overload.py --image PHOTO --seconds 120 --out results/overload.json

A block is first given a few images to learn how long one takes it, then images, or the bursts of images, ten times as
fast as it takes them, from a thread that waits for nothing, as a camera does. Each block has a process of its own,
whose allocator is set as ``semcom tx`` and ``rx`` set it. Memory counts from the first quarter of the time on, and has
grown by as much as its peak in the second half of what is left is above that in the first; a stop is compared with the
time of two images.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.image import io
from gnuradio.semcom.memory import keep_steady

from common import Journal, arguments, write
from common.process import resident_mb

FASTER = 10
WARM = 3  # images that tell how long one takes
IMAGES = 16  # whose bursts are made beforehand: how bits are scrambled depends on the image's number
SHORTEST = 1e-3  # seconds between messages that a Python thread keeps to
RX = "semcom rx"
SCENES = "JSCC Decoder, esisc"
BUDGET = 20_000  # bytes of an encoded picture


Messages = list[tuple[str, pmt.pmt_base]]


def picture(photo: Path, port: str = "image") -> Messages:
    """An image PDU."""
    return [(port, pdu.from_image(io.load(photo), {"image_id": 0, "name": photo.stem, "budget": BUDGET}))]


def sent(encoder: gr.basic_block, port: str, messages: Messages, images: int = 1) -> Messages:
    """What a block makes of the messages of one image, or of several with the numbers from 0 on."""
    made: Messages = []
    encoder.publish = lambda out, msg: made.append((out, msg)) if out == port else None
    for number in range(images):
        for name, msg in messages:
            encoder._take(name, with_number(msg, number))
    return made


def with_number(msg: pmt.pmt_base, number: int) -> pmt.pmt_base:
    """A PDU of image ``number``."""
    return pmt.cons(pmt.dict_add(pmt.car(msg), pmt.intern("image_id"), pmt.from_long(number)), pmt.cdr(msg))


def scene(photo: Path) -> Messages:
    """The bytes of a scene."""
    return sent(semcom.esisc_encoder(), "bytes", picture(photo))


def renamed(messages: Messages, port: str) -> Messages:
    """The same at another port."""
    return [(port, msg) for _, msg in messages]


# name -> (the block with a folder, the messages of one image)
Case = tuple[Callable[[Path], gr.basic_block], Callable[[Path], Messages]]
CASES: dict[str, Case] = {
    "SAM Segmenter": (lambda out: semcom.sam_segmenter("point:200,200"), picture),
    "JSCC Encoder, softcast": (lambda out: semcom.jscc_encoder("softcast"), picture),
    "JSCC Encoder, semcom": (lambda out: semcom.jscc_encoder("semcom"), picture),
    "JSCC Decoder, softcast": (
        lambda out: semcom.jscc_decoder(),
        lambda photo: sent(semcom.jscc_encoder("softcast"), "symbols", picture(photo), IMAGES),
    ),
    "JSCC Decoder, semcom": (
        lambda out: semcom.jscc_decoder(),
        lambda photo: sent(semcom.jscc_encoder("semcom"), "symbols", picture(photo), IMAGES),
    ),
    SCENES: (
        lambda out: semcom.jscc_decoder(),
        lambda photo: sent(semcom.jscc_encoder("esisc"), "symbols", picture(photo), IMAGES),
    ),
    "Image Codec Encoder": (lambda out: semcom.image_codec_encoder(), picture),
    "Image Codec Decoder": (
        lambda out: semcom.image_codec_decoder(),
        lambda photo: sent(semcom.image_codec_encoder(), "bytes", picture(photo)),
    ),
    "Digital Encoder": (
        lambda out: semcom.digital_encoder(),
        lambda photo: sent(semcom.image_codec_encoder(), "bytes", picture(photo)),
    ),
    "Digital Decoder": (
        lambda out: semcom.digital_decoder(),
        lambda photo: sent(
            semcom.digital_encoder(), "symbols", sent(semcom.image_codec_encoder(), "bytes", picture(photo)), IMAGES
        ),
    ),
    "ES-ISC Encoder": (lambda out: semcom.esisc_encoder(), picture),
    "ES-ISC Decoder": (lambda out: semcom.esisc_decoder(), scene),
    "Scene Inspector": (lambda out: semcom.scene_inspector(), lambda photo: renamed(scene(photo), "in")),
    "Image Quality": (
        lambda out: semcom.image_quality(),
        lambda photo: [*picture(photo, "reference"), *picture(photo, "received")],
    ),
    "Image Sink": (lambda out: semcom.image_sink(str(out)), lambda photo: picture(photo, "in")),
    "Label Map Sink": (
        lambda out: semcom.label_map_sink(str(out)),
        lambda photo: [("in", pdu.from_image(np.zeros(io.load(photo).shape[:2], np.uint8), {"image_id": 0}))],
    ),
    "Text Sink": (
        lambda out: semcom.text_sink(str(out / "captions.txt"), False),
        lambda photo: [("in", pdu.from_bytes(b"a photograph of something", {"image_id": 0}))],
    ),
}


class listener(message_block):
    """Hears what a block says: a flowgraph needs two blocks."""

    def __init__(self):
        message_block.__init__(self, "listener")
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), lambda msg: None)


def numbered(messages: Messages) -> Iterator[tuple[pmt.pmt_base, pmt.pmt_base]]:
    """(port, message) of one image after another, each with its number; bursts have theirs."""
    for number in count():
        for port, msg in messages:
            yield pmt.intern(port), msg if port == "symbols" else with_number(msg, number % 65536)


def grown(megabytes: Sequence[float]) -> float:
    """By how much the peak of the second half is above that of the first: what is needed for a moment is no leak."""
    half = max(1, len(megabytes) // 2)
    return round(max(megabytes[half:], default=megabytes[-1]) - max(megabytes[:half]), 1)


def overload(name: str, photo: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """One block."""
    make, messages_of = CASES[name]
    keep_steady()
    messages = messages_of(photo)
    each = len(messages) // (IMAGES if messages[0][0] == "symbols" else 1)  # messages of an image
    block = make(folder)
    tb = gr.top_block()
    tb.msg_connect(block, "status", listener(), "in")
    stream, basic = numbered(messages), block.to_basic_block()
    done, take = threading.Semaphore(0), block._take
    block._take = lambda *args: (take(*args), done.release())
    tb.start()
    took = []
    for _ in range(WARM):
        before = block.seconds
        for _ in range(each):
            basic._post(*next(stream))
        for _ in range(each):
            done.acquire()
        took.append(block.seconds - before)
    # the first one loads what it needs
    image = max(min(took), 1e-5)
    pause = image / each / FASTER
    together = max(1, round(SHORTEST / pause))
    over, posted, megabytes = threading.Event(), [0], []
    worked = block.seconds

    def camera() -> None:
        due = time.perf_counter()
        while not over.is_set():
            for _ in range(together):
                basic._post(*next(stream))
            posted[0] += together
            due += together * pause
            time.sleep(max(0.0, due - time.perf_counter()))

    began = time.perf_counter()
    thread = threading.Thread(target=camera)
    thread.start()
    while (passed := time.perf_counter() - began) < seconds:
        time.sleep(min(1.0, seconds / 20))
        if passed > seconds / 4:
            megabytes.append(resident_mb())
    over.set()
    thread.join()
    worked = block.seconds - worked
    stopping = time.perf_counter()
    tb.stop()
    tb.wait()
    return {
        "block": name,
        "image_seconds": round(image, 4),
        "times_its_speed": round(posted[0] / each * image / seconds, 1),
        "posted": posted[0],
        "dropped": block.dropped,
        "share_of_time_worked": round(worked / seconds, 2),
        "mb": round(max(megabytes), 1),
        "mb_grown": grown(megabytes),
        "stop_seconds": round(time.perf_counter() - stopping, 2),
    }


def slow_reader(photo: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """``semcom tx`` without end into ``semcom rx --json``, whose output is read a line a second."""
    semcom_command = [sys.executable, "-m", "gnuradio.semcom.cli"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        via = f"zmq:tcp://127.0.0.1:{free.getsockname()[1]}"
    sender = subprocess.Popen(
        [*semcom_command, "tx", str(photo), "--scheme", "softcast", "--via", via, "--repeat", "0"],
        stdout=subprocess.DEVNULL,
    )
    receiver = subprocess.Popen(
        [*semcom_command, "rx", "--via", via, "--json", "--out", str(folder)], stdout=subprocess.PIPE, text=True
    )
    megabytes, lines, began = [], 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        lines += bool(receiver.stdout.readline())
        time.sleep(1.0)
        if passed > seconds / 4:
            megabytes.append((resident_mb(receiver.pid), resident_mb(sender.pid)))
    stopping = time.perf_counter()
    receiver.send_signal(signal.SIGINT)
    rest = sum(1 for _ in receiver.stdout)
    receiver.wait()
    stopped = time.perf_counter() - stopping
    sender.send_signal(signal.SIGINT)
    sender.wait()
    mine, its = zip(*megabytes, strict=True)
    return {
        "block": RX,
        "lines_read_slowly": lines,
        "lines_at_the_end": rest,
        "mb": round(max(mine), 1),
        "mb_grown": grown(mine),
        "mb_of_the_sender": round(max(its), 1),
        "mb_grown_of_the_sender": grown(its),
        "stop_seconds": round(stopped, 2),
    }


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__, journal=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--only", default="", help="those with this word in their names")
    args = parser.parse_args()
    journal = Journal(args.journal, str(args.seconds))
    rows = []
    for name in (name for name in [*CASES, RX] if args.only in name):
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            where = (args.image, args.seconds, Path(folder))
            call = (slow_reader, *where) if name == RX else (overload, name, *where)
            rows.append(journal((name,), pool.submit(*call).result))
            print(rows[-1], flush=True)
    write(args.out, {"rows": rows}, images=[args.image.name])


if __name__ == "__main__":
    main()
