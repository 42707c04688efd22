#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects told apart against ground truth: how many there are, and their boxes.

    python benchmarks/instances.py --coco DIR --cache DIR [--detector FILE.onnx] --out results/instances.json

Images and maps are stretched to 512x512. ``--coco`` holds ``images``, ``panoptic`` and ``panoptic_val2017.json``: its
segments of the categories in ``COCO_TO_VOC`` are the true objects. Those that cover less of the image than our own
objects do are left out, and so is an image with a crowd of such a category, whose objects nobody counted. A box is
found where one of the same class has an IoU of 0.5 with it, each once.

``pieces``: connected pieces of the class map; ``apart``: told apart by the network; ``scene``: as in a scene, where
SAM's segments (kept in ``--cache``) take part; ``detector``: the boxes of the network that was the teacher.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.segment import ClassSegmenter, Sam, objects, snap
from gnuradio.semcom.segment.classes import COCO_TO_VOC, VOC
from gnuradio.semcom.segment.detections import overlaps

from common import arguments, write
from common.images import SIDE, cut, label_map, stretched

FEW = 6
LEAST = 0.002
FOUND = 0.5
CERTAIN = 0.3  # score of a detector's box that counts

Found = list[tuple[int, tuple[float, ...]]]
"""Label and box of each object."""


@dataclass
class Tally:
    """What is counted over the images."""

    errors: list[int]
    few: list[bool]
    true: int = 0
    found: int = 0
    hits: int = 0

    def add(self, found: Found, truth: Found) -> None:
        """One more image."""
        self.errors.append(len(found) - len(truth))
        self.few.append(len(truth) <= FEW)
        self.true += len(truth)
        self.found += len(found)
        left = list(found)
        for label, box in truth:
            alike = [
                float(overlaps(np.float64(box), np.float64(other))) if label == its else 0.0 for its, other in left
            ]
            if alike and max(alike) >= FOUND:
                self.hits += 1
                del left[int(np.argmax(alike))]

    def figures(self) -> dict:
        """Over all images."""
        errors, few = np.array(self.errors), np.array(self.few)
        return {
            "images": len(errors),
            "objects": self.true,
            "found": self.found,
            "images_with_few": int(few.sum()),
            "within_one_of_few": round(float((abs(errors[few]) <= 1).mean()), 4) if few.any() else None,
            "exact_of_few": round(float((errors[few] == 0).mean()), 4) if few.any() else None,
            "mean_error_of_few": round(float(abs(errors[few]).mean()), 3) if few.any() else None,
            "mean_error_of_many": round(float(abs(errors[~few]).mean()), 3) if not few.all() else None,
            "box_recall": round(self.hits / max(self.true, 1), 4),
            "box_precision": round(self.hits / max(self.found, 1), 4),
        }


def truths(folder: Path) -> dict[str, Found]:
    """The objects of each image by its stem; none of an image with a crowd."""
    panoptic = json.loads((folder / "panoptic_val2017.json").read_text())
    label = {each["id"]: VOC.index(COCO_TO_VOC.get(each["name"], "background")) for each in panoptic["categories"]}
    known = {}
    for image in panoptic["annotations"]:
        stem = Path(image["file_name"]).stem
        path = folder / "panoptic" / f"{stem}.png"
        ours = [each for each in image["segments_info"] if label[each["category_id"]]]
        if not path.exists() or any(each["iscrowd"] for each in ours):
            continue
        ids = label_map(path)
        known[stem] = []
        for each in ours:
            rows, columns = np.nonzero(ids == each["id"])
            if len(rows) >= LEAST * ids.size:
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                known[stem].append((label[each["category_id"]], tuple(map(float, box))))
    return known


def detector(path: Path) -> Callable[[np.ndarray], Found]:
    """The boxes of a detector of COCO's categories that are as large as ours."""
    from gnuradio.semcom.train.teachers import DetectorTeacher

    ask = DetectorTeacher(path)

    def found(image: np.ndarray) -> Found:
        boxes = ask(image)
        sides = boxes[:, 2:4] - boxes[:, :2]
        boxes = boxes[(boxes[:, 4] >= CERTAIN) & (sides.prod(axis=1) >= LEAST)]
        return [(int(each[5]), tuple((each[:4] * SIDE).tolist())) for each in boxes]

    return found


def main() -> int:
    """Measure and write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the partitions by SAM")
    parser.add_argument("--detector", type=Path, help="ONNX detector to stand beside")
    parser.add_argument("--weights", type=Path, help="ONNX file instead of the one that ships")
    options = parser.parse_args()

    network, sam = ClassSegmenter(options.weights), Sam(threads=2)
    teacher = detector(options.detector) if options.detector else None
    tallies = {name: Tally([], []) for name in ("pieces", "apart", "scene", *(["detector"] if teacher else []))}
    known, seconds, names = truths(options.coco), [], []
    network.look(np.zeros((SIDE, SIDE, 3), np.uint8))  # loads it
    for path in io.listed(options.coco / "images"):
        if path.stem not in known:
            continue
        names.append(path.name)
        image, truth = stretched(path), known[path.stem]
        seen = network.look(image)
        segments, _ = cut(sam, path, options.cache / "coco_val" / f"{path.stem}.png")
        begun = time.perf_counter()
        apart = objects(seen.labels, seen.detections, least=LEAST)
        seconds.append(time.perf_counter() - begun)
        ways = {
            "pieces": objects(seen.labels, least=LEAST),
            "apart": apart,
            "scene": objects(snap(seen.labels, segments), seen.detections, segments, least=LEAST),
        }
        for name, found in ways.items():
            tallies[name].add([(each.label, tuple(map(float, each.box))) for each in found], truth)
        if teacher:
            tallies["detector"].add(teacher(image), truth)
    figures = {
        "weights": {options.weights.name: None} if options.weights else network.weights,
        "detector": options.detector.name if options.detector else None,
        "side": SIDE,
        "least_share": LEAST,
        "few": f"at most {FEW} true objects",
        "seconds": round(float(np.median(seconds)), 4),
        "seconds_are": "median per image, of telling apart what the network saw",
        "ways": {name: tally.figures() for name, tally in tallies.items()},
    }
    write(options.out, figures, images=names)
    for name, f in figures["ways"].items():
        sys.stderr.write(
            f"{name:9} within one {f['within_one_of_few']}  exact {f['exact_of_few']}  recall {f['box_recall']}  "
            f"precision {f['box_precision']}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
