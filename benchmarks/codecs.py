#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each image codec makes of the bytes that a perfect code would carry over AWGN, and how long it takes.

    python benchmarks/codecs.py --kodak ../shared/data/kodak --out results/codecs.json
    python benchmarks/codecs.py --kodak ../shared/data/kodak --reductions jpeg

The bytes are height x width x 3 / 12 x log2(1 + SNR) / 8: the capacity of AWGN at 1/12 complex channel uses for each
source value. The second form prints, for one codec and a range of bits per pixel, how many dB half the size gains over
the full size on each photograph: the thresholds in ``semcom.codec`` are read off it. Needs no GNU Radio.
"""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from gnuradio.semcom import codec
from gnuradio.semcom.codec import picture
from gnuradio.semcom.codec.search import DoesNotFit
from gnuradio.semcom.image import io, metrics
from PIL import Image

from common import Journal, arguments, commit, write

USES = 1 / 12  # complex channel uses per real source value
SNRS_DB = (1, 4, 7, 10, 13)
# mean PSNR over Kodak that others report for these codecs at capacity, dB
KNOWN = {"jpeg2000": [29.87, 31.74, 33.55, 35.13, 36.59], "avif": [30.46, 32.25, 33.91, 35.38, 36.64]}


def capacity_bytes(height: int, width: int, snr_db: float) -> int:
    """Whole bytes that fit into the channel uses."""
    return math.floor(height * width * 3 * USES * math.log2(1 + 10 ** (snr_db / 10)) / 8)


def measured(name: str, images: list[np.ndarray], snr_db: float) -> dict:
    """Means over the images of one codec at one SNR."""
    rows = []
    for image in images:
        height, width = image.shape[:2]
        budget = capacity_bytes(height, width, snr_db)
        begun = time.process_time()  # one thread each, so that the figures mean the same on a busy machine
        coded = codec.encode(image, name, budget)
        between = time.process_time()
        got = codec.decode(coded.data, height, width).image
        ended = time.process_time()
        rows.append(
            {
                "psnr_db": metrics.psnr(image, got),
                "ms_ssim": metrics.ms_ssim(image, got),
                "budget_used": len(coded.data) / budget,
                "encode_s": between - begun,
                "decode_s": ended - between,
                "reduced": float(coded.reduction > 0),
            }
        )
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}


def reductions(name: str, images: list[np.ndarray]) -> None:
    """Print the gain of half the size over the full size, in dB."""
    module = picture._CODECS[name]
    for bits in np.geomspace(0.02, 0.8, 12):
        gains = []
        for image in images:
            height, width = image.shape[:2]
            budget, full = int(bits * height * width / 8), Image.fromarray(image)
            half = full.resize((-(-width // 2), -(-height // 2)), Image.Resampling.LANCZOS)
            found = []
            for reduction, source in enumerate((full, half)):
                tag = bytes([codec.CODECS.index(name) << 2 | reduction])
                try:
                    data = tag + module.encode(source, budget)[0]
                except DoesNotFit:
                    found.append(math.nan)
                else:
                    found.append(metrics.psnr(image, codec.decode(data, height, width).image))
            gains.append(found[1] - found[0])
        print(f"{bits:.3f} bits a pixel:", *(f"{g:+.2f}" for g in gains), flush=True)


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__, journal=True)
    parser.add_argument("--kodak", type=Path, required=True, help="folder of the images")
    parser.add_argument("--reductions", choices=codec.CODECS)
    args = parser.parse_args()
    files = io.listed(args.kodak)
    images = [io.load(path) for path in files]
    if args.reductions:
        reductions(args.reductions, images[::3])
        return
    journal = Journal(args.journal, str(commit()), args.kodak.name)
    report = {
        "images": len(images),
        "payload_kn": round(USES, 4),
        "snr_is": "Es/N0 of AWGN in dB; the bytes are those of its capacity",
        "snr_db": list(SNRS_DB),
        "bytes_at_512x768": [capacity_bytes(512, 768, snr_db) for snr_db in SNRS_DB],
        "seconds_are": "processor time",
        "codecs": {},
    }
    for name in codec.CODECS:
        rows = [journal((name, snr_db), partial(measured, name, images, snr_db)) for snr_db in SNRS_DB]
        row = {key: [r[key] for r in rows] for key in rows[0]}
        if name in KNOWN:
            row["psnr_db_reported_by_others"] = KNOWN[name]
        report["codecs"][name] = row
        print(name, row["psnr_db"], file=sys.stderr)
    write(args.out, report, images=[path.name for path in files])


if __name__ == "__main__":
    main()
