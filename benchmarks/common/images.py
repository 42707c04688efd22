# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with their true maps, stretched to one size, and their partitions by SAM."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.segment import Sam, everything, partition
from gnuradio.semcom.segment.classes import COCO_TO_VOC, VOC, VOID
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIDE = 512
STAGES = ("embed", "everything", "partition")


def stretched(path: Path) -> np.ndarray:
    """uint8 [512, 512, 3]."""
    return np.asarray(Image.fromarray(io.load(path)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def label_map(path: Path) -> np.ndarray:
    """A PNG's pixels as one number each, [512, 512]; of RGB the panoptic R + 256 G + 65536 B."""
    with Image.open(path) as picture:
        values = np.array(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST)).astype(np.int32)
    return values @ np.array([1, 256, 65536]) if values.ndim == 3 else values


def coco_labels(panoptic: Path) -> np.ndarray:
    """uint8 [256]: category id -> VOC label."""
    relabel = np.full(256, VOID, np.uint8)
    for category in json.loads(panoptic.read_text())["categories"]:
        relabel[category["id"]] = VOC.index(COCO_TO_VOC.get(category["name"], "background"))
    return relabel


def cut(sam: Sam | None, path: Path, kept: Path) -> tuple[np.ndarray, dict]:
    """The partition of an image, and the seconds of each stage, wall and processor time: kept, or made by SAM."""
    if not kept.exists():
        image = stretched(path)
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
