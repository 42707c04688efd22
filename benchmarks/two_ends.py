#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""50 images from one process to another over ZeroMQ, undisturbed, and with either end killed in the middle.

    python benchmarks/two_ends.py --image PHOTO --out results/two_ends.json

``semcom tx`` and ``semcom rx`` as they are. A killed end gets SIGKILL and is started again at once; a transmitter then
goes on with the first image that it has not reported as sent. Every image differs, so that a received one is known by
its pixels: what is lost is what was under way when its end died.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from gnuradio import semcom
from PIL import Image

from common import arguments, write

COMMAND = Path(sys.prefix) / "bin" / "semcom"
PATIENCE = 300  # seconds


def address() -> str:
    """One that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"zmq:tcp://127.0.0.1:{probe.getsockname()[1]}"


def start(*args) -> subprocess.Popen:
    """``semcom`` with its lines to read."""
    return subprocess.Popen([COMMAND, *map(str, args), "--json"], stdout=subprocess.PIPE, text=True)


def numbered(photo: Path, folder: Path, count: int) -> list[Path]:
    """``count`` pictures of 512x512, each with its number as 6 black or white squares in a corner."""
    base = Image.open(photo).convert("RGB").resize((512, 512))
    files = []
    for number in range(count):
        pixels = np.array(base)
        for bit in range(6):
            pixels[:32, 32 * bit : 32 * bit + 32] = 255 * (number >> bit & 1)
        files.append(folder / f"{number:02d}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def number_of(picture: str) -> int:
    """Read it back from the squares."""
    grey = np.asarray(Image.open(picture).convert("L"))
    return sum(int(grey[8:24, 32 * bit + 8 : 32 * bit + 24].mean() > 127) << bit for bit in range(6))


def run(files: list[Path], kill: str, kill_after: int, idle: float) -> dict:
    """Everything once; ``kill`` names the end that dies after ``kill_after`` of its lines."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        via = address()
        listen = ("rx", "--via", via, "--out", out, "--idle", idle)
        receiver, transmitter = start(*listen), start("tx", *files, "--via", via, "--scheme", "softcast")
        sent, lines = 0, []
        if kill == "receiver":
            lines += [receiver.stdout.readline() for _ in range(kill_after)]
            receiver.kill()
            lines += receiver.communicate()[0].splitlines()
            receiver = start(*listen)
        elif kill == "transmitter":
            sent = len([transmitter.stdout.readline() for _ in range(kill_after)])
            transmitter.kill()
            sent += len(transmitter.communicate()[0].splitlines())
            transmitter = start("tx", *files[sent:], "--via", via, "--scheme", "softcast")
        sent += len(transmitter.communicate(timeout=PATIENCE)[0].splitlines())
        lines += receiver.communicate(timeout=PATIENCE)[0].splitlines()
        reports = [json.loads(line) for line in lines if line.strip()]
        whole = {number_of(r["images"]["received"]) for r in reports if r["lost"] == 0}
        some = {number_of(r["images"]["received"]) for r in reports} - whole
    missing = sorted(set(range(len(files))) - whole - some)
    return {
        "killed": kill or None,
        "images_sent": sent,
        "received_whole": len(whole),
        "received_in_part": sorted(some),
        "not_received": missing,
        "seconds": round(time.monotonic() - begun, 1),
        "exit_status": [transmitter.returncode, receiver.returncode],
    }


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--images", type=int, default=50, help="how many are sent, at most 64")
    parser.add_argument("--kill-after", type=int, default=20, help="lines of an end after which it is killed")
    parser.add_argument("--idle", type=float, default=20, help="seconds without a burst after which the receiver ends")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = numbered(args.image, Path(folder), args.images)
        runs = [run(files, kill, args.kill_after, args.idle) for kill in ("", "receiver", "transmitter")]
    longest = semcom.ofdm_frame().burst_samples(4096)
    report = {
        "scheme": "softcast",
        "image": "512x512, 16 bursts",
        # bursts with their gaps, and the silence after the last
        "megabytes_an_image": round(8 * (16 * (longest + 256) + 20 * longest) / 1e6, 2),
        "runs": runs,
    }
    write(args.out, report, images=[args.image.name])


if __name__ == "__main__":
    main()
