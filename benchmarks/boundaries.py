#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""B-seg: how well the outlines of SAM's everything mode agree with those that people drew, and how long it takes.

    python benchmarks/boundaries.py --data ../shared/data --cache DIR --out results/bseg.json
    python benchmarks/boundaries.py --data ../shared/data --time 12 --out results/bseg_seconds.json

All images and maps are stretched to 512x512. For COCO the truth is the panoptic map, unlabelled pixels counting as one
region more; for VOC, whose maps know 20 classes alone, what is measured is the recall of their outlines and the mIoU
that a class map could reach whose outlines are B-seg's: each segment takes the class that most of it has. ``snap`` is
tried on the true class map drawn in blocks of 16x16 pixels. ``--cache`` keeps each partition as PNG, so that SAM runs
once. ``--time`` takes the wall time of so many COCO images and no more: for a machine that does nothing else.
Needs no GNU Radio.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.segment import Sam, boundaries, snap
from gnuradio.semcom.segment.metrics import boundary_f, boundary_match, confusion, iou

from common import arguments, write
from common.images import SIDE, STAGES, cut, label_map

CLASSES = 21
BLOCK = 16


def outlines(segments: np.ndarray, truth: np.ndarray) -> dict:
    """Figures of one COCO image."""
    found, drawn = boundaries(segments), boundaries(truth)
    precision, recall = boundary_match(found, drawn)
    return {"boundary_f": boundary_f(found, drawn), "precision": precision, "recall": recall}


def class_maps(segments: np.ndarray, truth: np.ndarray) -> tuple[dict, np.ndarray]:
    """Figures of one VOC image; and confusions: of what its segments can make, of blocks, and of those snapped."""
    best = np.zeros(256, np.uint8)
    for number in np.unique(segments):
        known = truth[(segments == number) & (truth != 255)]
        best[number] = np.bincount(known).argmax() if known.size else 0
    drawn = np.where(truth == 255, 0, truth).astype(np.uint8)
    _, recall = boundary_match(boundaries(segments), boundaries(drawn))
    blocks = drawn[BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK].repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    maps = best[segments], blocks, snap(blocks, segments)
    return {"recall": recall}, np.stack([confusion(labels, truth, CLASSES) for labels in maps])


def evenly(files: list[Path], count: int) -> list[Path]:
    """As many of them, evenly spread."""
    return [files[i * len(files) // count] for i in range(count)]


def wall_times(sam: Sam, files: list[Path]) -> dict:
    """Seconds of images; one goes before, for what happens but once."""
    with tempfile.TemporaryDirectory() as empty:
        spent = [cut(sam, path, Path(empty) / f"{i}.png")[1] for i, path in enumerate([files[0], *files])][1:]
    rows = [[seconds[stage][0] for stage in STAGES] for seconds in spent]
    return {
        "images": len(files),
        "size": [SIDE, SIDE],
        "threads": 2,
        "weights": sam.weights,
        "seconds_are": "wall time, mean over the images",
        "seconds": dict(zip(STAGES, np.mean(rows, axis=0).round(3).tolist(), strict=True)),
        "all_stages": {"mean": round(float(np.sum(rows, axis=1).mean()), 2), "most": round(max(map(sum, rows)), 2)},
    }


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with coco_val and voc_test")
    parser.add_argument("--cache", type=Path, help="folder for the partitions")
    parser.add_argument("--time", type=int, metavar="N", help="time N images instead")
    args = parser.parse_args()
    sam = Sam(threads=2)
    if args.time:
        files = evenly(io.listed(args.data / "coco_val" / "images"), args.time)
        write(args.out, wall_times(sam, files), images=[path.name for path in files])
        return
    if not args.cache:
        parser.error("name a folder for the partitions with --cache")
    report = {
        "size": [SIDE, SIDE],
        "tolerance": "0.75 % of the diagonal, 6 pixels",
        "weights": sam.weights,
        "seconds_are": "[wall, processor] time of one image, two threads; wall on a machine that was not idle",
    }
    images = []
    for name, masks in (("coco_val", "panoptic"), ("voc_test", "masks")):
        rows, counts, spent = [], np.zeros((3, CLASSES, CLASSES), np.int64), []
        for path in io.listed(args.data / name / "images"):
            segments, seconds = cut(sam, path, args.cache / name / f"{path.stem}.png")
            truth = label_map(args.data / name / masks / f"{path.stem}.png")
            row = {"segments": float(segments.max()), "boundary_pixels": float(boundaries(segments).sum())}
            if name == "coco_val":
                row |= outlines(segments, truth)
            else:
                figures, confused = class_maps(segments, truth)
                row |= figures
                counts += confused
            rows.append(row)
            images.append(f"{name}/{path.name}")
            spent.append([seconds[stage] for stage in STAGES])
            print(name, path.stem, {key: round(value, 3) for key, value in row.items()}, seconds, file=sys.stderr)
        result = {"images": len(rows)} | {k: round(float(np.mean([row[k] for row in rows])), 4) for k in rows[0]}
        if name == "voc_test":
            for key, confused in zip(("reachable", "blocks", "blocks_snapped"), counts, strict=True):
                result[f"{key}_miou"] = round(float(np.nanmean(iou(confused))), 4)
        result["seconds"] = dict(zip(STAGES, np.mean(spent, axis=0).round(3).tolist(), strict=True))
        report[name] = result
        print(name, result, file=sys.stderr)
    write(args.out, report, images=images)


if __name__ == "__main__":
    main()
