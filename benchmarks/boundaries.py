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

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.segment import Sam, boundaries, everything, partition, snap
from gnuradio.semcom.segment.metrics import boundary_f, boundary_match, confusion, iou
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIDE = 512
CLASSES = 21
BLOCK = 16
STAGES = ("embed", "everything", "partition")


def cut(sam: Sam, path: Path, kept: Path) -> tuple[np.ndarray, dict]:
    """The partition of an image, and the seconds of each stage, wall and processor time."""
    if not kept.exists():
        image = np.asarray(Image.fromarray(io.load(path)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        clocks = [(time.perf_counter(), time.process_time())]
        embedding = sam.embed(image)
        clocks.append((time.perf_counter(), time.process_time()))
        found = everything(sam, embedding)
        clocks.append((time.perf_counter(), time.process_time()))
        segments = partition([part.mask for part in found], SIDE, SIDE)
        clocks.append((time.perf_counter(), time.process_time()))
        spent = np.diff(np.array(clocks), axis=0).round(3).tolist()
        text = PngInfo()
        text.add_text("seconds", json.dumps(dict(zip(STAGES, spent, strict=True))))
        kept.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(segments).save(kept, pnginfo=text)
    with Image.open(kept) as picture:
        return np.array(picture), json.loads(picture.text["seconds"])


def label_map(path: Path) -> np.ndarray:
    """A PNG's pixels as one number each, [512, 512]; of RGB the panoptic R + 256 G + 65536 B."""
    with Image.open(path) as picture:
        values = np.array(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST)).astype(np.int32)
    return values @ np.array([1, 256, 65536]) if values.ndim == 3 else values


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


def wall_times(sam: Sam, folder: Path, count: int) -> dict:
    """Seconds of images evenly spread over a folder; one goes before, for what happens but once."""
    files = io.listed(folder)
    chosen = [files[i * len(files) // count] for i in range(count)]
    with tempfile.TemporaryDirectory() as empty:
        spent = [cut(sam, path, Path(empty) / f"{i}.png")[1] for i, path in enumerate([chosen[0], *chosen])][1:]
    rows = [[seconds[stage][0] for stage in STAGES] for seconds in spent]
    return {
        "images": count,
        "size": [SIDE, SIDE],
        "threads": 2,
        "weights": sam.weights,
        "seconds_are": "wall time, mean over the images",
        "seconds": dict(zip(STAGES, np.mean(rows, axis=0).round(3).tolist(), strict=True)),
        "all_stages": {"mean": round(float(np.sum(rows, axis=1).mean()), 2), "most": round(max(map(sum, rows)), 2)},
    }


def main() -> None:
    """Measure, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with coco_val and voc_test")
    parser.add_argument("--cache", type=Path, help="folder for the partitions")
    parser.add_argument("--time", type=int, metavar="N", help="time N images instead")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sam = Sam(threads=2)
    if args.time:
        command = f"python benchmarks/boundaries.py --data ../shared/data --time {args.time}"
        report = {"command": command} | wall_times(sam, args.data / "coco_val" / "images", args.time)
        print(json.dumps(report, indent=2))
        if args.out:
            args.out.write_text(json.dumps(report, indent=2) + "\n")
        return
    if not args.cache:
        parser.error("name a folder for the partitions with --cache")
    report = {
        "command": "python benchmarks/boundaries.py --data ../shared/data --cache DIR --out results/bseg.json",
        "size": [SIDE, SIDE],
        "tolerance": "0.75 % of the diagonal, 6 pixels",
        "weights": sam.weights,
        "seconds_are": "[wall, processor] time of one image, two threads; wall on a machine that was not idle",
    }
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
            spent.append([seconds[stage] for stage in STAGES])
            print(name, path.stem, {key: round(value, 3) for key, value in row.items()}, seconds, flush=True)
        result = {"images": len(rows)} | {k: round(float(np.mean([row[k] for row in rows])), 4) for k in rows[0]}
        if name == "voc_test":
            for key, confused in zip(("reachable", "blocks", "blocks_snapped"), counts, strict=True):
                result[f"{key}_miou"] = round(float(np.nanmean(iou(confused))), 4)
        result["seconds"] = dict(zip(STAGES, np.mean(spent, axis=0).round(3).tolist(), strict=True))
        report[name] = result
        print(name, result, flush=True)
    if args.out:
        args.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
