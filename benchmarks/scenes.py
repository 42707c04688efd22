#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes of ES-ISC: their bytes, how true their maps are, and the rebuilt picture beside AVIF and JPEG.

    python benchmarks/scenes.py --coco DIR --voc DIR [--cache DIR] [--journal FILE] --out results/scenes.json

``--coco`` holds ``images``, ``semantic``, ``panoptic`` and ``panoptic_val2017.json``, ``--voc`` ``images`` and
``masks``, as of ``segmentation.py`` and ``boundaries.py``; images and maps are stretched to 512x512. ``--cache`` is
that of ``boundaries.py``: partitions that SAM made; they are made where they are missing. What has been measured of an
image is written to the journal at once, and not measured again. Needs no GNU Radio.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from gnuradio.semcom import codec, scene
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.image.stlpips import StLpips
from gnuradio.semcom.scene.coding import container, labelmap
from gnuradio.semcom.segment import ClassSegmenter, Sam, boundaries, snap
from gnuradio.semcom.segment.classes import COCO_TO_VOC
from gnuradio.semcom.segment.metrics import boundary_f, boundary_match
from gnuradio.semcom.segment.regions import merged
from gnuradio.semcom.zoo import weights

from common import Journal, arguments, write
from common.images import SIDE, coco_labels, cut, label_map, stretched
from common.maps import mean_iou, tallied

RAW = 3 * SIDE * SIDE
BUDGETS = (600, 1500, 4000, 8000)
CODECS = ("avif", "jpeg")


class Measurement:
    """One image of a set, and what can be found out about it."""

    def __init__(
        self, name: str, path: Path, truth: Path, cached: Path, st_lpips: bool, tools: Tools, journal: Journal
    ):
        self.name, self.path, self.truth, self.cached = name, path, truth, cached
        self._st_lpips, self._tools, self._journal = st_lpips, tools, journal

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [512, 512, 3]."""
        return stretched(self.path)

    def _known(self, *key, make: Callable[[], object]):
        return self._journal((self.name, self.path.stem, *key), make)

    def coded(self, name: str, budget: int) -> bytes | None:
        """The picture in so many bytes by a codec; None when it cannot be had."""

        def make() -> str | None:
            try:
                return base64.b64encode(codec.encode(self.pixels, name, budget).data).decode()
            except BadInput:
                return None

        data = self._known("coded", name, budget, make=make)
        return None if data is None else base64.b64decode(data)

    def scene(self) -> dict:
        """Bytes, maps and times of the scene."""
        return self._known("scene", self._tools.state, make=self._measured_scene)

    @cached_property
    def decoded(self) -> scene.Scene:
        """The scene as a receiver has it."""
        return scene.decode_scene(base64.b64decode(self.scene()["data"])).scene

    def quality(self, what: str, got: Callable[[], np.ndarray], resegmented: bool, perceived: bool = True) -> dict:
        """How like the image the picture ``what`` is, and how well its class map agrees with the one that is sent."""
        made = cache(got)

        def classes() -> list[list[int]]:
            return tallied(self._tools.segmenter.segment(made()), self.decoded.labels)

        found = self._known("quality", what, make=lambda: quality(self.pixels, made()))
        if perceived and self._st_lpips:
            distance = self._known("st_lpips", what, make=lambda: round(self._tools.st_lpips(self.pixels, made()), 4))
            found = found | {"st_lpips": distance}
        if resegmented:
            found = found | {"counts": self._known("classes", what, self._tools.state, make=classes)}
        return found

    def pictures(self) -> dict[str, dict]:
        """The rebuilt picture and those of the codecs: bytes and quality; None for what a codec cannot do."""
        sent, state = self.scene(), self._tools.state
        whole = len(base64.b64decode(sent["data"]))
        without = whole - sent["bytes"]["S-img"]
        rows = {}
        for what, size in (("scene", whole), ("scene_without_s_img", without)):

            def rebuilt(what: str = what) -> np.ndarray:
                came = self.decoded
                return scene.reconstruct(came if what == "scene" else replace(came, sub_images=()))

            rows[what] = {"bytes": size} | self.quality(f"{what} {state}", rebuilt, True)
        budgets = {str(budget): budget for budget in self._tools.budgets}
        budgets |= {"as_scene": whole, "as_scene_without_s_img": without}
        for name in CODECS:
            for label, budget in budgets.items():
                data = self.coded(name, budget)
                rows[f"{name}_{label}"] = data and {"bytes": len(data)} | self.quality(
                    f"{name} {budget}", lambda data=data: codec.decode(data, SIDE, SIDE).image, True
                )
        return rows

    def prepare(self) -> None:
        """What depends on no network of A-seg."""
        for name in CODECS:
            for budget in self._tools.budgets:
                data = self.coded(name, budget)
                if data:
                    self.quality(f"{name} {budget}", lambda data=data: codec.decode(data, SIDE, SIDE).image, False)

    def _measured_scene(self) -> dict:
        pixels = self.pixels
        segments, spent = self._tools.partition(self.path, self.cached)
        encoder = scene.SemanticEncoder(segmenter=self._tools.segmenter, cut=lambda _: segments)
        begun = time.process_time()
        made = encoder.encode(pixels)
        busy = time.process_time() - begun
        data = scene.encode_scene(made)
        clocks = [time.perf_counter()]
        came = scene.decode_scene(data).scene
        clocks.append(time.perf_counter())
        scene.reconstruct(came)
        clocks.append(time.perf_counter())
        size = {"header": container.HEADER_BYTES} | dict.fromkeys(container.NAMES.values(), 0)
        for section in scene.sections(made):
            size[section.name] += len(section.data)
        seconds = {"SAM encoder": spent["embed"][0], "SAM everything": spent["everything"][0]}
        seconds |= {f"encoder, {stage}": value for stage, value in encoder.seconds.items()}
        seconds |= {"receiver, sections": clocks[1] - clocks[0], "receiver, picture": clocks[2] - clocks[1]}
        busy += spent["embed"][1] + spent["everything"][1] + spent["partition"][1]
        return {
            "caption": made.caption,
            "bytes": size,
            "exact": {
                "A-seg": np.array_equal(came.labels, made.labels),
                "B-seg": made.segments is None or np.array_equal(came.segments, made.segments),
            },
            "maps": {"A-seg": map_bytes(made.labels)}
            | ({} if made.segments is None else {"B-seg": map_bytes(made.segments)}),
            "objects": len(made.objects),
            "sub_images": len(made.sub_images),
            "seconds": {stage: round(value, 4) for stage, value in seconds.items()},
            "encoder_processor_seconds": round(busy, 3),
            "a_seg": self._a_seg(made, pixels, segments),
            "b_seg": self._b_seg(made, segments),
            "data": base64.b64encode(data).decode(),
        }

    def _a_seg(self, made: scene.Scene, pixels: np.ndarray, segments: np.ndarray) -> dict:
        """Pixels by class, against the truth: of the network alone, snapped on all of B-seg, and as sent."""
        truth = self._tools.relabel[self.name][label_map(self.truth)]
        alone = self._tools.segmenter.segment(pixels)
        maps = {"network": alone, "snapped": snap(alone, as_encoder(segments)), "sent": made.labels}
        return {name: tallied(labels, truth) for name, labels in maps.items()}

    def _b_seg(self, made: scene.Scene, segments: np.ndarray) -> dict:
        """Boundaries of what is sent, and of the whole partition, against the truth; VOC has a recall only."""
        partitions = {"sent": made.segments, "partition": segments}
        if self.name == "coco_val":
            truth = label_map(self.path.parent.parent / "panoptic" / f"{self.path.stem}.png")
        else:
            truth = label_map(self.truth)
            truth = np.where(truth == 255, 0, truth)
        drawn, rows = boundaries(truth), {}
        for name, found in partitions.items():
            outlines = np.zeros(drawn.shape, bool) if found is None else boundaries(scene.at_size(found, SIDE, SIDE))
            precision, recall = boundary_match(outlines, drawn)
            rows[name] = {"segments": 0 if found is None else int(found.max()), "recall": recall}
            if self.name == "coco_val":
                rows[name] |= {"boundary_f": boundary_f(outlines, drawn), "precision": precision}
        return rows


class Tools:
    """The networks, loaded when they are needed first."""

    def __init__(self, relabel: dict[str, np.ndarray], budgets: tuple[int, ...]):
        self.segmenter = ClassSegmenter()
        made_by = weights.sha256("aseg") + repr(scene.EncoderSettings())
        self.state = hashlib.sha256(made_by.encode()).hexdigest()[:12]
        self.relabel = relabel
        self.budgets = budgets
        self.st_lpips = StLpips()
        self._sam = cache(Sam)

    def partition(self, path: Path, kept: Path) -> tuple[np.ndarray, dict]:
        """As of ``cut``; SAM is loaded only when the partition is not in the cache."""
        return cut(None if kept.exists() else self._sam(), path, kept)


def as_encoder(segments: np.ndarray) -> np.ndarray:
    """The partition as the encoder snaps A-seg on it."""
    return (merged(segments, round(segments.size / 2000), 96)[0] + 1).astype(np.uint8)


def map_bytes(labels: np.ndarray) -> dict:
    """Bytes of a coded map, those of them that name its size and labels, and what its model needs at least."""
    data, bits = labelmap.encode_with_ideal(labels)
    return {"bytes": len(data), "names": 5 + len(np.unique(labels)), "ideal": round(bits / 8, 2)}


def quality(a: np.ndarray, b: np.ndarray) -> dict:
    """PSNR and MS-SSIM."""
    return {"psnr_db": round(metrics.psnr(a, b), 4), "ms_ssim": round(metrics.ms_ssim(a, b), 5)}


def mean(rows: list[dict], key: str, digits: int = 4) -> float:
    """Of one value of all images."""
    return round(float(np.mean([row[key] for row in rows])), digits)


def summary(images: list[Measurement]) -> dict:
    """Means over a set."""
    rows = [image.scene() for image in images]
    whole = [sum(row["bytes"].values()) for row in rows]
    without = [size - row["bytes"]["S-img"] for size, row in zip(whole, rows, strict=True)]
    out = {
        "images": len(rows),
        "bytes": {name: mean([row["bytes"] for row in rows], name, 1) for name in rows[0]["bytes"]},
        "scene": compression(whole),
        "scene_without_s_img": compression(without),
        "decoded_bit_exact": {name: sum(row["exact"][name] for row in rows) for name in ("A-seg", "B-seg")},
        "map_bytes": {},
        "caption_characters": round(float(np.mean([len(row["caption"]) for row in rows])), 1),
        "objects": mean(rows, "objects", 2),
        "sub_images": mean(rows, "sub_images", 2),
    }
    for name in ("A-seg", "B-seg"):
        maps = [row["maps"][name] for row in rows if name in row["maps"]]
        taken, names, ideal = (sum(part[key] for part in maps) for key in ("bytes", "names", "ideal"))
        out["map_bytes"][name] = {
            "mean": round(taken / len(maps), 1),
            "of_them_size_and_labels": round(names / len(maps), 1),
            "ideal": round(ideal / len(maps), 1),
            "above_ideal": round((taken - names) / ideal - 1, 4),
            "above_ideal_with_size_and_labels": round(taken / ideal - 1, 4),
        }
    out["a_seg_miou"] = {key: mean_iou([row["a_seg"][key] for row in rows]) for key in rows[0]["a_seg"]}
    out["b_seg"] = {
        key: {name: mean([row["b_seg"][key] for row in rows], name) for name in rows[0]["b_seg"][key]
              if all(name in row["b_seg"][key] for row in rows)}
        for key in rows[0]["b_seg"]
    }  # fmt: skip
    stages = dict.fromkeys(stage for row in rows for stage in row["seconds"])
    out["seconds"] = {
        stage: round(float(np.median([row["seconds"][stage] for row in rows if stage in row["seconds"]])), 4)
        for stage in stages
    }
    out["encoder_processor_seconds"] = mean(rows, "encoder_processor_seconds", 2)
    out["pictures"] = pictures(images)
    return out


def compression(sizes: list[int]) -> dict:
    """Bytes, and how often they go into those of the pixels."""
    ratios = RAW / np.array(sizes)
    return {
        "bytes": round(float(np.mean(sizes)), 1),
        "most_bytes": max(sizes),
        "compression": round(float(ratios.mean()), 1),
        "pixels_over_mean_bytes": round(RAW / float(np.mean(sizes)), 1),
        "least_compression": round(float(ratios.min()), 1),
    }


def pictures(images: list[Measurement]) -> dict:
    """Means of the pictures' quality, each over the images of which there is one."""
    rows = [image.pictures() for image in images]
    out = {}
    for what in rows[0]:
        got = [row[what] for row in rows if row[what]]
        out[what] = {"images": len(got), "could_not": len(rows) - len(got)}
        if not got:
            continue
        out[what] |= {"bytes": mean(got, "bytes", 1), "psnr_db": mean(got, "psnr_db", 3)}
        out[what] |= {"ms_ssim": mean(got, "ms_ssim")}
        perceived = [row for row in got if "st_lpips" in row]
        if perceived:
            out[what] |= {"st_lpips": mean(perceived, "st_lpips"), "st_lpips_images": len(perceived)}
        out[what]["miou_with_sent_map"] = mean_iou([row["counts"] for row in got])
    out["original"] = {
        "miou_with_sent_map": mean_iou(
            [image.quality("original", lambda image=image: image.pixels, True, False)["counts"] for image in images]
        )
    }
    return out


def main() -> int:
    """Measure and write the JSON."""
    parser = arguments(__doc__, smoke=True, journal=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--voc", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="folder for the partitions")
    parser.add_argument("--limit", type=int, help="images of each set, instead of all")
    parser.add_argument("--st-lpips-every", type=int, default=1, metavar="N", help="ST-LPIPS of every Nth image only")
    parser.add_argument("--codecs-only", action="store_true", help="fill the journal with what needs no A-seg, and end")
    args = parser.parse_args()
    unchanged = np.arange(256, dtype=np.uint8)
    relabel = {"coco_val": coco_labels(args.coco / "panoptic_val2017.json"), "voc_test": unchanged}
    tools = Tools(relabel, BUDGETS[-1:] if args.smoke else BUDGETS)
    journal = Journal(args.journal)
    folder = args.cache or Path(tempfile.mkdtemp())
    images = {}
    for name, root, maps in (("coco_val", args.coco, "semantic"), ("voc_test", args.voc, "masks")):
        images[name] = [
            Measurement(
                name,
                path,
                root / maps / f"{path.stem}.png",
                folder / name / f"{path.stem}.png",
                number % args.st_lpips_every == 0,
                tools,
                journal,
            )
            for number, path in enumerate(io.listed(root / "images")[: args.limit])
        ]
    begun = time.perf_counter()
    # the sets take turns, so that a run that is stopped has of both
    order = [image for pair in zip(*images.values(), strict=True) for image in pair]
    for number, image in enumerate(order):
        image.prepare()
        if not args.codecs_only:
            image.pictures()
        sys.stderr.write(
            f"{number + 1}/{len(order)} {image.name} {image.path.stem} {time.perf_counter() - begun:.0f} s\n"
        )
    if args.codecs_only:
        return 0
    report = {
        "size": [SIDE, SIDE],
        "pixels_bytes": RAW,
        "settings": asdict(scene.EncoderSettings()),
        "weights": tools.segmenter.weights | Sam().weights,
        "coco_to_voc": COCO_TO_VOC,
        "without_voc_class": "background",
        "unlabelled": "void",
        "bytes_are": "means of whole sections, frames included; compression is the mean over the images",
        "miou_is": "over the classes that the truth of a set shows, over all its pixels together; a_seg_miou against "
        "ground truth: the network alone, snapped on the partition, and as sent; miou_with_sent_map: the class map "
        "that the network finds in a picture, against the one that was sent",
        "b_seg_is": "boundaries within 0.75 % of the diagonal, 6 pixels: sent at half the size within the budget, and "
        "the whole partition; precision and F of coco_val alone, whose truth is panoptic",
        "seconds_are": "medians, wall time with two threads on a machine that was not idle; SAM's are those of the "
        "partition's making; processor time is the mean of the whole encoder with SAM",
        "st_lpips_of": "every image" if args.st_lpips_every == 1 else f"every image of {args.st_lpips_every}",
        "sets": {name: summary(rows) for name, rows in images.items()},
    }
    both = [image for rows in images.values() for image in rows]
    report["sets"]["both"] = summary(both)
    write(args.out, report, images=[f"{image.name}/{image.path.name}" for image in both])
    for name, found in report["sets"].items():
        sys.stderr.write(f"{name}: {json.dumps({key: found[key] for key in found if key != 'pictures'})}\n")
        for what, row in found["pictures"].items():
            sys.stderr.write(f"  {what:32} {json.dumps(row)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
