#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts what ``./bootstrap demo`` received into one picture: the whole of it, and the region that was prompted, larger.

    python tools/demo_picture.py out/demo/received out/demo/digital out/demo/demo.png

Both folders are of `semcom loopback` or an Image Sink, of the same photograph over the same channel.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from PIL import Image

MARGIN = 0.6  # of the region's size, around it


def received(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The figures of a folder, and its pictures by title."""
    (file,) = folder.glob("*.json")
    figures = json.loads(file.read_text())
    return figures, {title: io.load(folder / Path(name).name) for title, name in figures["images"].items()}


def region(mask: np.ndarray) -> tuple[slice, slice]:
    """A square around what is white in a mask, within the picture."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    side = min(round((1 + MARGIN) * max(np.ptp(rows), np.ptp(columns))), *mask.shape)
    corners = (
        int(np.clip((line[0] + line[-1] - side) / 2, 0, size - side))
        for line, size in zip((rows, columns), mask.shape, strict=True)
    )
    return tuple(slice(corner, corner + side) for corner in corners)


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("semcom", type=Path, help="folder of the picture whose region was prompted")
    parser.add_argument("digital", type=Path, help="folder of its peer")
    parser.add_argument("out", type=Path, help="picture to write")
    args = parser.parse_args()
    (ours, pictures), (theirs, others) = received(args.semcom), received(args.digital)
    # the region is where the picture of the mask differs from the photograph
    place = region((pictures["mask"] != pictures["original"]).any(-1))
    panels = []
    for title, picture in (
        ("sent", pictures["original"]),
        (f"AVIF, LDPC, QAM: {theirs['air_uses']} channel uses", others["received"]),
        (f"semcom, face prompted: {ours['air_uses']}", pictures["received"]),
    ):
        larger = Image.fromarray(picture[place]).resize(picture.shape[1::-1], Image.Resampling.LANCZOS)
        panels.append((title, np.concatenate([picture, np.asarray(larger)])))
    io.save_png(args.out, io.side_by_side(panels))
    return 0


if __name__ == "__main__":
    sys.exit(main())
