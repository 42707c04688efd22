#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver's network makes of a scene of so many bytes, beside AVIF alone and AVIF with the same network.

    python benchmarks/painting.py --coco DIR --voc DIR [--cache DIR] [--journal FILE] --out results/painting.json

``--coco`` and ``--voc`` hold ``images``, stretched to 512x512; ``--cache`` is that of ``boundaries.py``: partitions by
SAM, made where they are missing. ``outlines`` is a scene of text, A-seg, colours and B-seg, with sub-images of its
objects above 2 kB; ``perception`` is what the encoder chooses for that purpose; ``avif`` is the codec with all the
bytes. Each is looked at as it is painted without weights, ``plain``, and refined by ES-RIM,
``esrim``; of ``avif`` the network is told nothing but the picture. Distances are ST-LPIPS, which ES-RIM was trained on.
``map`` is the mean IoU of A-seg's map of the received picture with that of the original, over all pixels of a set.
"""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from gnuradio.semcom import codec, scene
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.image.stlpips import StLpips
from gnuradio.semcom.segment import ClassSegmenter, Sam
from gnuradio.semcom.zoo import weights

from common import Journal, arguments, write
from common.images import SIDE, cut, stretched
from common.maps import mean_iou, tallied

BUDGETS = (600, 1500, 5000)
PAINTERS = ("plain", "esrim")
WAYS = ("outlines", "perception", "avif")
WITH_OBJECTS = 2000  # bytes from which sub-images of objects are sent


def made_of(
    image: np.ndarray, segments: np.ndarray, segmenter: ClassSegmenter, budget: int, purpose: str
) -> scene.Scene:
    """A scene of so many bytes."""
    settings = scene.EncoderSettings(
        budget=budget,
        boundary_budget=min(budget, 1400),
        sub_images=3 if budget >= WITH_OBJECTS else 0,
        purpose=purpose,
    )
    return scene.SemanticEncoder(settings, segmenter, cut=lambda _: segments).encode(image)


def alone(image: np.ndarray, budget: int) -> scene.Scene | None:
    """AVIF, as a scene of one sub-image and nothing else."""
    try:
        data = codec.encode(image, "avif", budget).data
    except BadInput:
        return None
    return scene.Scene(SIDE, SIDE, sub_images=(scene.SubImage((0, 0, SIDE, SIDE), data),))


class Tools:
    """The networks; SAM is loaded when it is needed first."""

    def __init__(self) -> None:
        self.segmenter, self.distance, self.sam = ClassSegmenter(), StLpips(), cache(Sam)


class Look:
    """One image, and what becomes of it."""

    def __init__(self, path: Path, kept: Path, painters: list[str], pictures: Path | None):
        self._path, self._kept, self._painters, self._pictures = path, kept, painters, pictures

    def _sent(self, image: np.ndarray, tools: Tools, budget: int, way: str) -> scene.Scene | None:
        if way == "avif":
            return alone(image, budget)
        segments, _ = cut(None if self._kept.exists() else tools.sam(), self._path, self._kept)
        return made_of(image, segments, tools.segmenter, budget, "explain" if way == "outlines" else way)

    def measured(self, tools: Tools, budget: int, way: str) -> list[dict]:
        """A row for each painter; none where so few bytes are no picture."""
        image, rows = stretched(self._path), []
        sent = self._sent(image, tools, budget, way)
        if sent is None:
            return []
        size = len(sent.sub_images[0].data) if way == "avif" else len(scene.encode_scene(sent))
        shown, distance = tools.segmenter.segment(image), tools.distance.beside(image)
        for painter in self._painters:
            got = scene.reconstruct(sent, painter=painter)
            if self._pictures:
                io.save_png(self._pictures / f"{self._path.stem}_{budget}_{way}_{painter}.png", got)
            rows.append(
                {
                    "painter": painter,
                    "bytes": size,
                    "st_lpips": round(distance(got), 4),
                    "psnr_db": round(metrics.psnr(image, got), 3),
                    "counts": tallied(tools.segmenter.segment(got), shown),
                }
            )
        return rows


def main() -> None:
    """All pictures; write the JSON."""
    parser = arguments(__doc__, smoke=True, journal=True, out=Path("results/painting.json"))
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--voc", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="folder for the partitions")
    parser.add_argument("--limit", type=int, help="images of each set, instead of all")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures themselves")
    args = parser.parse_args()
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    tools = Tools()
    painters = [name for name in PAINTERS if name == "plain" or name in weights.registry()]
    digests = {name: weights.sha256(name) for name in ("aseg", *painters[1:])}
    journal, folder = Journal(args.journal, str(digests)), args.cache or Path(tempfile.mkdtemp())
    sets: dict[str, list[dict]] = {"coco_val": [], "voc_test": []}
    images = []
    for name, root in (("coco_val", args.coco), ("voc_test", args.voc)):
        for path in io.listed(root / "images")[: args.limit]:
            images.append(f"{name}/{path.name}")
            look = Look(path, folder / name / f"{path.stem}.png", painters, args.pictures)
            for budget in BUDGETS[1:2] if args.smoke else BUDGETS:
                for way in WAYS:
                    rows = journal((name, path.stem, budget, way), partial(look.measured, tools, budget, way))
                    sets[name] += [{"budget": budget, "way": way} | row for row in rows]
    write(
        args.out,
        {"size": [SIDE, SIDE], "weights": digests, "sets": {name: summary(rows) for name, rows in sets.items()}},
        images=images,
    )


def summary(rows: list[dict]) -> list[dict]:
    """Means over the pictures of a set; of how many there is one."""
    found: dict[tuple, list[dict]] = {}
    for row in rows:
        found.setdefault((row["budget"], row["way"], row["painter"]), []).append(row)
    return [
        {"budget": budget, "way": way, "painter": painter, "pictures": len(same)}
        | {key: round(float(np.mean([row[key] for row in same])), 4) for key in ("bytes", "st_lpips", "psnr_db")}
        | {"map": mean_iou([row["counts"] for row in same])}
        for (budget, way, painter), same in found.items()
    ]


if __name__ == "__main__":
    main()
