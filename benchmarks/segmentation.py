#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The class segmenter against ground truth: intersection over union of each class, and seconds per image.

    python benchmarks/segmentation.py --voc DIR --coco DIR [--teacher FILE.tflite] --out results/aseg.json

Images and maps are resized to 512x512. ``--voc`` holds ``images`` and ``masks`` (VOC labels, 255 void). ``--coco``
holds ``images``, ``semantic`` (panoptic category ids, 0 unlabelled) and ``panoptic_val2017.json`` (their names):
categories become VOC classes by ``COCO_TO_VOC``, those that have none are background, unlabelled pixels are void and
count for nothing. The mean IoU is over the classes that the truth of a set shows, over all its pixels together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from gnuradio.semcom.segment import ClassSegmenter
from gnuradio.semcom.segment.classes import COCO_TO_VOC, VOC
from gnuradio.semcom.segment.metrics import confusion, iou
from PIL import Image

from common import arguments, write
from common.images import SIDE, coco_labels
from common.maps import litert_segmenter

PEOPLE_AND_ANIMALS = ("bird", "cat", "cow", "dog", "horse", "person", "sheep")

Pair = tuple[np.ndarray, np.ndarray]


def pairs(images: Path, maps: Path, relabel: np.ndarray) -> Iterator[Pair]:
    """Image and true labels, both 512x512."""
    for file in sorted(images.iterdir()):
        picture = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        truth = Image.open(maps / f"{file.stem}.png").resize((SIDE, SIDE), Image.Resampling.NEAREST)
        yield np.asarray(picture), relabel[np.asarray(truth)]


def measured(segment: Callable[[np.ndarray], np.ndarray], images: list[Pair]) -> dict:
    """Figures over one set."""
    counts = np.zeros((len(VOC), len(VOC)), np.int64)
    seconds = []
    segment(images[0][0])  # loads the network
    for image, truth in images:
        begun = time.perf_counter()
        labels = segment(image)
        seconds.append(time.perf_counter() - begun)
        counts += confusion(labels, truth, len(VOC))
    values, shown = iou(counts), counts.any(axis=1)
    each = {name: round(float(values[i]), 4) for i, name in enumerate(VOC) if shown[i]}
    lively = [value for name, value in each.items() if name in PEOPLE_AND_ANIMALS]
    return {
        "images": len(images),
        "miou": round(sum(each.values()) / len(each), 4),
        "miou_people_and_animals": round(sum(lively) / len(lively), 4),
        "pixel_accuracy": round(float(np.diag(counts).sum() / counts.sum()), 4),
        "iou": each,
        "seconds": round(float(np.median(seconds)), 4),
    }


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--voc", type=Path, required=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="TFLite network to stand beside")
    parser.add_argument("--weights", type=Path, help="ONNX file instead of the one that ships")
    options = parser.parse_args()

    sets = {
        "voc_test": list(pairs(options.voc / "images", options.voc / "masks", np.arange(256, dtype=np.uint8))),
        "coco_val": list(
            pairs(
                options.coco / "images", options.coco / "semantic", coco_labels(options.coco / "panoptic_val2017.json")
            )
        ),
    }
    ours = ClassSegmenter(options.weights)
    networks = {"aseg": ours.segment}
    if options.teacher:
        networks["teacher"] = litert_segmenter(options.teacher)
    figures = {
        "weights": {options.weights.name: None} if options.weights else ours.weights,
        "teacher": options.teacher.name if options.teacher else None,
        "side": SIDE,
        "coco_to_voc": COCO_TO_VOC,
        "without_voc_class": "background",
        "unlabelled": "void",
        "seconds": "median per image, two threads",
        "sets": {
            name: {network: measured(segment, images) for network, segment in networks.items()}
            for name, images in sets.items()
        },
    }
    folders = {"voc_test": options.voc, "coco_val": options.coco}
    names = [f"{name}/{file.name}" for name in sets for file in sorted((folders[name] / "images").iterdir())]
    write(options.out, figures, images=names)
    for name, found in figures["sets"].items():
        for network, f in found.items():
            sys.stderr.write(
                f"{name:9} {network:8} mIoU {f['miou']:.3f}  people and animals {f['miou_people_and_animals']:.3f}  "
                f"pixels {f['pixel_accuracy']:.3f}  {f['seconds']:.3f} s\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
