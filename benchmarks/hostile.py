#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sender can make a receiver spend: seconds and memory beside the time that it was on the air.

    python benchmarks/hostile.py --out results/hostile.json

Each kind of input is one row: a good picture, what is hostile, a silence, a good picture. ``receiver`` says what got
it: ``semcom rx`` a recording at 1 Msps (seconds are those beyond the good pictures alone), or ``bursts`` the domain
behind the modem, where a recording would take tens of gigabytes. Seconds are of the clock and of the processor; where
other programs run as well, the fewer of them count. Peak memory is that of the whole process. A row is ``within`` where
the receiver was held no longer than ten times the air time, or 2 s, never took 600 MB, and both good pictures arrived.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from gnuradio import semcom
from gnuradio.semcom import codec, recording, schemes
from gnuradio.semcom.burst import ANALOGUE, BurstHeader, fragment_length, fragments_needed
from gnuradio.semcom.digital import ProtectedBytes, mcs_of, part_bursts
from gnuradio.semcom.memory import keep_steady
from gnuradio.semcom.scene.coding import captioncode, container, labelmap
from gnuradio.semcom.schemes import Reception, bursts
from PIL import Image

from common import arguments, by_rows

COMMAND = Path(sys.prefix) / "bin" / "semcom"
RATE = 1e6  # samples a second
GAP = 256  # samples between bursts
TIMES, LEAST, MAX_MB = 10, 2.0, 600  # the limits: air times, seconds, MB
MAX_SECONDS = 500
FASTEST = 27  # an MCS
SIDE, GOOD = (96, 128), 60_000  # of the good picture

Burst = tuple[BurstHeader, np.ndarray]


def header(scheme: str, height: int, width: int, **fields: int) -> BurstHeader:
    """Of a burst of somebody's."""
    usual = {
        "transmission": 9, "image_id": 7, "part": 0, "parts": 1, "fragment": 0, "fragments": 1, "rate": 0,
        "scale": 32768, "snr_enc": 10, "mcs": ANALOGUE, "weights_id": 0, "n_symbols": 1,
    }  # fmt: skip
    return BurstHeader(**usual | {"scheme": schemes.get(scheme).code, "height": height, "width": width} | fields)


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Symbols of average power 1."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 2)) @ (1, 1j) / np.sqrt(2)).astype(np.complex64)


def analogue(scheme: str, height: int, width: int, share: float = 1.0, **fields: int) -> Iterator[Burst]:
    """A part of symbols, of which a share of the bursts is sent."""
    first = header(scheme, height, width, **fields)
    known = schemes.get(scheme)
    total = known.part_length(first, next(iter(known.variants())))
    count = fragments_needed(total)
    for fragment in range(max(1, int(np.ceil(share * count)))):
        length = fragment_length(total, count, fragment)
        fields |= {"fragment": fragment, "fragments": count, "n_symbols": length}
        yield header(scheme, height, width, **fields), noise(length, fragment)


def digital(scheme: str, height: int, width: int, parts: list[bytes], mcs: int = FASTEST, **fields: int) -> list[Burst]:
    """Parts of bits."""
    number, out = fields.pop("image_id", 7), []
    for index, data in enumerate(parts):
        made = part_bursts(ProtectedBytes(data, mcs_of(mcs)), number, index)
        for fragment, (span, symbols) in enumerate(made):
            about = {"part": index, "parts": len(parts), "fragment": fragment, "fragments": len(made)}
            about |= {"rate": span.depth - 1, "scale": span.first, "mcs": mcs, "n_symbols": len(symbols)}
            out.append((header(scheme, height, width, image_id=number, **fields | about), symbols))
    return out


def section(kind: int, payload: bytes) -> bytes:
    """Of a scene."""
    return container._section(kind, payload).data


def flat_map(height: int, width: int) -> bytes:
    """A map of one label that says it has another size than it was coded for."""
    coded = labelmap.encode(np.full((64, 64), 255, np.uint8))
    return bytes([0]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + coded[4:]


@cache
def striped_map(phase: int = 0, height: int = 1024, width: int = 1024) -> bytes:
    """The map that takes longest: a change at every pixel, which is soon as good as certain."""
    columns = np.arange(width) // (1 + phase % 2) % 2
    return bytes([0]) + labelmap.encode(np.tile(columns.astype(np.uint8), (height, 1)))


def scene(height: int, width: int, *sections: bytes) -> bytes:
    """A container."""
    return container.header(height, width) + b"".join(sections)


def flat(name: str, height: int, width: int) -> bytes:
    """A grey picture in a few bytes."""
    return codec.encode(np.full((height, width, 3), 90, np.uint8), name, 2**20).data


def sub_images(count: int, name: str, side: int) -> bytes:
    """A scene of sub-images, each of the whole picture."""
    box = b"".join(value.to_bytes(2, "big") for value in (0, 0, side, side))
    data = flat(name, side, side)
    # each differs in what its JPEG 2000 or AVIF says of nothing, so that none is known already
    pieces = [section(container.S_IMG, box + data + bytes(number)) for number in range(count)]
    return scene(side, side, *pieces)


def long_text() -> bytes:
    """As many words as a caption may have."""
    return captioncode.encode(("a dog and " * 200)[: captioncode.MAX_CHARACTERS])


def same_number(count: int) -> Iterator[Burst]:
    """Pictures of one burst, all with one number."""
    for _ in range(count):
        yield from analogue("softcast", 32, 48, rate=127)


def undecodable(count: int) -> Iterator[Burst]:
    """Messages of one burst that is noise."""
    for number in range(count):
        fields = {"image_id": number % 65536, "mcs": 20, "n_symbols": 200, "scale": 0}
        yield header("digital", 96, 128, **fields), noise(200, number)


def peak_mb(process: int) -> float:
    """The most that a process has held so far, MB; 0 where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def unknown(count: int) -> Iterator[Burst]:
    """Bursts of schemes, weights and sizes that nobody has."""
    rng = np.random.default_rng(3)
    for number in range(count):
        drawn = {"scheme": int(rng.integers(10, 250)), "weights_id": int(rng.integers(256)), "n_symbols": 1}
        sides = rng.integers(1, 30000, 2).tolist()
        yield replace(header("softcast", *sides, image_id=number % 65536), **drawn), noise(1)


def one_symbol(images: int, fragments: int) -> Iterator[Burst]:
    """As many fragments of one symbol as there can be, none of an image that becomes whole."""
    for fragment in range(fragments):
        for number in range(images):
            fields = {"image_id": number, "fragment": fragment, "fragments": 4095, "scale": fragment, "mcs": 0}
            yield header("digital", 96, 128, **fields), np.ones(1, np.complex64)


def contradictions(count: int) -> Iterator[Burst]:
    """Bursts of one part that agree in nothing but what part it is."""
    for number in range(count):
        length, fragment = 1 + number % 4096, number % 4095
        fields = {"fragment": fragment, "fragments": 4095, "scale": fragment, "mcs": 0, "n_symbols": length}
        yield header("digital", 96, 128, **fields), np.ones(length, np.complex64)


def pending(images: int) -> Iterator[Burst]:
    """Large images that are all still expected when the channel falls silent."""
    for number in range(images):
        yield from islice(analogue("softcast", 2048, 2048, image_id=number), 1)


def lopsided(height: int, width: int) -> Iterator[Burst]:
    """A map in as many bursts of one symbol as there can be, and one burst of the symbols."""
    fields = {"parts": 2, "mcs": 0}
    for fragment in range(4095):
        about = {"fragment": fragment, "fragments": 4095, "scale": fragment}
        yield header("softcast", height, width, **fields, **about), noise(1)
    yield from islice(analogue("softcast", height, width, rate=127, part=1, parts=2), 1)


def jammed(every: int) -> Iterator[Burst]:
    """A picture, and copies of its headers with symbols of somebody's own."""
    for number, burst in enumerate(analogue("softcast", 512, 768, rate=127)):
        yield burst
        if number % every == every - 1:
            yield burst[0], noise(len(burst[1]), number + 1)


Make = Callable[[], Iterator[Burst] | list[Burst]]
A_SEG, B_SEG, TEXT = container.A_SEG, container.B_SEG, container.TEXT


def framed_b_seg(coded: bytes) -> bytes:
    """A label map as B-seg has it, without colours."""
    return container._leb128(len(coded)) + coded


def parted(height: int, width: int, coded: bytes, parts: int = 8) -> list[Burst]:
    """A scene of one map, and parts of one byte behind it."""
    return digital("esisc", height, width, [scene(height, width, section(A_SEG, coded)), *[b"x"] * (parts - 1)])


def many_maps(parts: int) -> list[Burst]:
    """A striped map in each part, the last part first: each comes before those that are here."""
    pieces = [section(A_SEG, striped_map(number, 1024 - 2 * number)) for number in range(parts)]
    pieces[0] = scene(96, 128, pieces[0])
    return digital("esisc", 96, 128, pieces)[::-1]


def failing(count: int) -> list[Burst]:
    """Sections that are read to their end before they turn out to be wrong."""
    pieces = [section(A_SEG, striped_map(number, 128 - number)[:-1]) for number in range(count)]
    pieces += [section(B_SEG, framed_b_seg(striped_map(number, 128 - number)[1:-1])) for number in range(count)]
    return digital("esisc", 96, 128, [scene(96, 128, *pieces)])


KINDS: dict[str, Make] = {
    "nothing": lambda: [],
    "softcast, 4 bursts of 5792x5792": lambda: islice(analogue("softcast", 5792, 5792), 4),
    "softcast, 4096x4096 at its lowest rate": lambda: analogue("softcast", 4096, 4096),
    "softcast, a sixteenth of 4096x4096": lambda: analogue("softcast", 4096, 4096, 1 / 16, rate=127),
    "softcast, 32767x512 at its lowest rate": lambda: analogue("softcast", 512, 32767),
    "softcast, 4096x4096, all of its map and a burst": lambda: lopsided(4096, 4096),
    "samsc, a sixteenth of 2048x2048": lambda: analogue("samsc", 2048, 2048, 1 / 16, rate=127),
    "deepjscc, a sixteenth of 2048x2048": lambda: analogue("deepjscc", 2048, 2048, 1 / 16, rate=127),
    "witt, a sixteenth of 2048x2048": lambda: analogue("witt", 2048, 2048, 1 / 16, rate=127),
    "semcom, a sixteenth of 2048x2048": lambda: analogue("semcom", 2048, 2048, 1 / 16, rate=127),
    "semcom, 2048x2048 at its lowest rate": lambda: analogue("semcom", 2048, 2048, rate=0),
    "samsc, all of 2048x2048": lambda: analogue("samsc", 2048, 2048, rate=127),
    "deepjscc, all of 2048x2048": lambda: analogue("deepjscc", 2048, 2048, rate=127),
    "witt, all of 2048x2048": lambda: analogue("witt", 2048, 2048, rate=127),
    "semcom, all of 2048x2048": lambda: analogue("semcom", 2048, 2048, rate=127),
    "digital, AVIF of 4096x4096 in a burst": lambda: digital("digital", 4096, 4096, [flat("avif", 4096, 4096)]),
    "digital, JPEG of 4096x4096": lambda: digital("digital", 4096, 4096, [flat("jpeg", 4096, 4096)]),
    "digital, JPEG 2000 of 4096x4096": lambda: digital("digital", 4096, 4096, [flat("jpeg2000", 4096, 4096)]),
    "digital, AVIF of 512x512 enlarged to 4096x4096": lambda: digital(
        "digital", 4096, 4096, [bytes([2 << 2 | 3]) + flat("avif", 512, 512)[1:]]
    ),
    "digital, 700 kB of noise": lambda: digital("digital", 96, 128, [np.random.default_rng(0).bytes(700_000)]),
    "digital, 4,000 messages of noise": lambda: undecodable(4000),
    "scene, flat map of 32767x32 in 8 parts": lambda: parted(96, 128, flat_map(32767, 32)),
    "scene, flat map of 2048x512 in 8 parts": lambda: parted(96, 128, flat_map(2048, 512)),
    "scene, striped map in 8 parts": lambda: parted(96, 128, striped_map()),
    "scene, 8 striped maps, the last first": lambda: many_maps(8),
    "scene, 60 failing sections": lambda: failing(30),
    "scene, 4096x4096 of a flat map": lambda: digital(
        "esisc", 4096, 4096, [scene(4096, 4096, section(TEXT, captioncode.encode("A dog.")),
                                    section(A_SEG, bytes([0]) + labelmap.encode(np.eye(64, dtype=np.uint8))))]
    ),
    "scene, caption alone for 4096x4096": lambda: digital(
        "esisc", 4096, 4096, [scene(4096, 4096, section(TEXT, captioncode.encode("A dog.")))]
    ),
    "scene, 2,000 characters for 32767x64": lambda: digital(
        "esisc", 64, 32767, [scene(64, 32767, section(TEXT, long_text()))]
    ),
    "scene, 64 AVIF sub-images of 4000x4000": lambda: digital("esisc", 4000, 4000, [sub_images(64, "avif", 4000)]),
    "scene, 64 JPEG 2000 sub-images of 700x700": lambda: digital("esisc", 700, 700, [sub_images(64, "jpeg2000", 700)]),
    "scene, 100,000 empty sections": lambda: digital(
        "esisc", 96, 128, [scene(96, 128, *[section(99, b"")] * 100_000)]
    ),
    "9,000 pictures of one number": lambda: same_number(9000),
    "4,000 bursts of what nobody knows": lambda: unknown(4000),
    "300 large images pending at a silence": lambda: pending(300),
    "copies of every third header": lambda: jammed(3),
}  # fmt: skip
BURSTS: dict[str, Make] = {
    "194,000 fragments of one symbol": lambda: one_symbol(1000, 194),
    "50,000 bursts that contradict one another": lambda: contradictions(50_000),
}


def good() -> list[Burst]:
    """A small picture."""
    made = schemes.get("softcast")
    pixels = Image.effect_mandelbrot(SIDE[::-1], (-2, -1.2, 0.8, 1.2), 90).convert("RGB")
    sent = made.encode(np.asarray(pixels), schemes.Conditions(), made.options({}))
    return bursts(sent, made, image_id=GOOD, transmission=200)


def on_the_air(sent: Iterator[Burst] | list[Burst], path: Path) -> int:
    """Append bursts to a file of samples; how many those are."""
    modem, gap, count = semcom.burst_transmitter(semcom.ofdm_frame()), np.zeros(GAP, np.complex64), 0
    rng = np.random.default_rng(1)
    with path.open("ab") as file:
        for head, symbols in sent:
            fields = head.fields()
            samples = np.concatenate([gap, modem.modulate(semcom.burst_header(**fields), symbols)])
            samples = samples + np.float32(0.01) * noise(len(samples), int(rng.integers(2**31)))
            samples.astype(np.complex64).tofile(file)
            count += len(samples)
    return count


def silence(path: Path) -> None:
    """As long as any receiver needs to call the channel idle, twice."""
    with path.open("ab") as file:
        noise(50 * semcom.ofdm_frame().burst_samples(4096), 2).__imul__(np.float32(0.01)).tofile(file)


def received(via: str, out: str) -> tuple[tuple[float, float], float, list[dict], list[str]]:
    """``semcom rx`` of a recording: seconds of clock and processor, peak MB, pictures and complaints."""
    command = [COMMAND, "rx", "--via", via, "--out", out, "--json"]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=lines, stderr=said)
        # its resource usage has no peak of its own: what this process holds counts as well
        mb, ended = 0.0, 0
        while not ended:
            mb = max(mb, peak_mb(process.pid))
            if time.perf_counter() - begun > MAX_SECONDS:
                process.kill()
            time.sleep(0.02)
            ended, _, used = os.wait4(process.pid, os.WNOHANG)
        process.returncode = 0  # it was waited for here
        seconds = time.perf_counter() - begun, used.ru_utime + used.ru_stime
        lines.seek(0)
        said.seek(0)
        pictures = [json.loads(line) for line in lines]
        complaints = said.read().decode().splitlines()
    return seconds, mb, pictures, complaints


def judged(row: dict) -> dict:
    """A row, and whether it is within the limits."""
    allowed = max(LEAST, TIMES * row["air_seconds"])
    held = min(row["seconds"], row["cpu_seconds"])
    row["within"] = held <= allowed and row["peak_mb"] < MAX_MB and row["good_pictures"] == 2
    return row


def through_rx(make: Make, alone: Callable[[], tuple[float, float]]) -> dict:
    """One kind, as samples; ``alone`` gives the seconds of the good pictures without it."""
    with tempfile.TemporaryDirectory() as folder:
        meta, data = recording.paths(f"{folder}/air")
        meta.write_text(json.dumps(recording.metadata(RATE)))
        on_the_air(good(), data)
        silence(data)
        samples = on_the_air(make(), data)
        silence(data)
        on_the_air(good(), data)
        spent, mb, pictures, complaints = received(f"sigmf:{folder}/air", f"{folder}/got")
        seconds, cpu = (round(max(0.0, mine - its), 2) for mine, its in zip(spent, alone(), strict=True))
        row = {
            "receiver": "semcom rx",
            "air_seconds": round(samples / RATE, 3),
            "seconds": seconds,
            "cpu_seconds": cpu,
            "peak_mb": round(mb),
            "good_pictures": sum((p["height"], p["width"], p["lost"]) == (*SIDE, 0) for p in pictures if is_good(p)),
            "pictures": sum(not is_good(p) for p in pictures),
            "complaints": complaints[:4],
            "lines_of_complaint": len(complaints),
        }
    return judged(row)


def is_good(picture: dict) -> bool:
    """Whether it is of :func:`good`, by its number."""
    return picture["image_id"] == GOOD


def fed(make: Make) -> dict:
    """One kind, to the domain alone, in a process of its own."""
    keep_steady()
    frame = semcom.ofdm_frame()
    reception, reports = Reception(), Counter()
    good_pictures = 0

    def feed(sent: Iterator[Burst] | list[Burst]) -> int:
        nonlocal good_pictures
        samples = 0
        for head, symbols in sent:
            samples += GAP + frame.burst_samples(len(symbols))
            for report in reception.feed(head.fields(), symbols):
                reports[type(report).__name__] += 1
                good_pictures += isinstance(report, schemes.Image) and report.meta["image_id"] == GOOD
        return samples

    feed(good())
    before, begun, cpu = good_pictures, time.perf_counter(), time.process_time()
    samples = feed(make())
    reports.update(type(report).__name__ for report in reception.flush())
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    good_pictures = before
    feed(good())
    return judged(
        {
            "receiver": "bursts",
            "air_seconds": round(samples / RATE, 3),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "peak_mb": round(peak_mb(os.getpid())),
            "good_pictures": good_pictures,
            "reports": dict(reports),
        }
    )


def through_domain(kind: str, smoke: bool = False) -> dict:
    """As :func:`fed`."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(run_fed, kind, smoke).result()


def run_fed(kind: str, smoke: bool) -> dict:
    """A kind by its name, for another process."""
    return fed((lambda: islice(BURSTS[kind](), 3000)) if smoke else BURSTS[kind])


@cache
def of_the_good_pictures() -> tuple[float, float]:
    """Seconds of ``semcom rx`` for the good pictures alone."""
    row = through_rx(KINDS["nothing"], lambda: (0.0, 0.0))
    return row["seconds"], row["cpu_seconds"]


ROWS: dict[str, Callable[..., dict]] = {
    **{kind: partial(through_rx, make, of_the_good_pictures) for kind, make in KINDS.items()},
    **{kind: partial(through_domain, kind) for kind in BURSTS},
}


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__, smoke=True, out=Path("results/hostile.json"))
    parser.add_argument("--only", choices=ROWS, action="append", help="measure this row, repeatable")
    options = parser.parse_args()
    if options.smoke and not options.only:
        options.only = ["copies of every third header", *BURSTS]
    smoke = {kind: {} for kind in KINDS} | {kind: {"smoke": True} for kind in BURSTS}
    by_rows(options, ROWS, smoke, seed="a number of its own for each kind, in the code")


if __name__ == "__main__":
    main()
