#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions against those that people wrote: of the network, composed ones, and what the scene encoder makes of both.

    python benchmarks/captions.py --coco DIR --flickr FILE.tar --captions FILE.gz --out results/captions.json

``--coco`` holds ``images`` and ``captions.json``. ``--flickr`` is a tar of photographs with ``--captions``; of these
the ones are taken that training held out for measuring. Class maps and objects are A-seg's, as in a scene without
B-seg. ``--share`` takes every so-manieth photograph of Flickr8k. ``invents`` is the share of captions that name a
person, an animal or a vehicle of A-seg's classes that nobody named.
"""

from __future__ import annotations

import io as memory
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gnuradio.semcom.image import io
from gnuradio.semcom.scene.caption.captioners import ComposedCaptioner
from gnuradio.semcom.scene.caption.grounding import named_in
from gnuradio.semcom.scene.caption.network import BEAMS, LARGE, SEEN_WELL, SURE, SURE_ALONE, NetworkCaptioner
from gnuradio.semcom.scene.caption.scores import bleu4, cider, rouge_l, words
from gnuradio.semcom.scene.coding import captioncode
from gnuradio.semcom.segment import ClassSegmenter
from gnuradio.semcom.segment.instances import objects
from gnuradio.semcom.train.captioner import read_captions, split
from gnuradio.semcom.train.files import image_files
from PIL import Image

from common import Journal, arguments, write

WRITERS = ("network", "composed", "default")
PRINTED = 10
THREADS = 1

Picture = tuple[str, np.ndarray, list[str]]


def coco(folder: Path) -> Iterator[Picture]:
    """Name, image and captions."""
    for entry in json.loads((folder / "captions.json").read_text()):
        yield entry["file"], io.load(folder / "images" / entry["file"]), entry["captions"]


def flickr(tar: Path, captions: Path, every: int) -> Iterator[Picture]:
    """Name, image and captions of the photographs that are for measuring."""
    texts = read_captions(captions)
    measuring, _ = split(list(texts))
    held = sorted(measuring)[::every]
    for name, content in image_files(tar):
        if name in held:
            yield name, np.asarray(Image.open(memory.BytesIO(content)).convert("RGB")), texts[name]


class Writers:
    """What all of them say of a picture."""

    def __init__(self) -> None:
        self.segmenter = ClassSegmenter(threads=THREADS)
        self.network, self.composed = NetworkCaptioner(threads=THREADS), ComposedCaptioner()

    def __call__(self, image: np.ndarray) -> dict:
        """Captions, the network's confidence, and seconds."""
        seen = self.segmenter.look(image)
        labels, found = seen.labels, objects(seen.labels, seen.detections)
        default = self.network.caption(image, labels, found)  # loads the networks
        begun = time.process_time()
        said = self.network.hypotheses(image)[0]
        seconds = time.process_time() - begun
        begun = time.process_time()
        composed = self.composed.caption(image, labels, found)
        return {
            "network": said.text,
            "composed": composed,
            "default": default,
            "confidence": round(said.confidence, 4),
            "seconds": {"network": round(seconds, 4), "composed": round(time.process_time() - begun, 4)},
        }


def figures(rows: list[dict], references: list[list[str]]) -> dict:
    """Metrics of one set."""
    others = [[words(text) for text in texts] for texts in references]
    measured = {}
    for writer in WRITERS:
        said = [words(row[writer]) for row in rows]
        sizes = [len(captioncode.encode(row[writer])) for row in rows]
        invented = [invents(*each, writer) for each in zip(rows, references, strict=True)]
        measured[writer] = {
            "bleu4": round(bleu4(said, others), 4),
            "cider_d": round(cider(said, others), 4),
            "rouge_l": round(rouge_l(said, others), 4),
            "bytes": {"mean": round(float(np.mean(sizes)), 1), "most": max(sizes)},
            "words": round(float(np.mean([len(words) for words in said])), 1),
            "invents": round(float(np.mean(invented)), 4),
        }
        if writer != "default":
            measured[writer]["seconds"] = round(float(np.median([row["seconds"][writer] for row in rows])), 4)
    shares = {
        "network_best": [row["default"] == row["network"] for row in rows],
        "network_other": [row["default"] not in (row["network"], row["composed"]) for row in rows],
    }
    shares = {name: round(float(np.mean(kept)), 4) for name, kept in shares.items()}
    return {"pictures": len(rows)} | shares | {"writers": measured}


def invents(row: dict, texts: list[str], writer: str) -> bool:
    """Whether a caption names somebody or something that nobody named."""
    return bool(SEEN_WELL & set(named_in(row[writer])) - {name for text in texts for name in named_in(text)})


def printed(names: list[str], rows: list[dict], references: list[list[str]]) -> list[dict]:
    """Some of a set, evenly spread, good or bad."""
    which = np.linspace(0, len(rows) - 1, min(PRINTED, len(rows))).round().astype(int)
    keys = (*WRITERS, "confidence")
    return [{"name": names[i], **{key: rows[i][key] for key in keys}, "somebody": references[i][0]} for i in which]


def main() -> int:
    parser = arguments(__doc__, smoke=True, journal=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--flickr", type=Path, required=True, help="tar of photographs")
    parser.add_argument("--captions", type=Path, required=True, help="of these photographs")
    parser.add_argument("--share", type=int, default=1, help="every so-manieth photograph of Flickr8k")
    options = parser.parse_args()

    writers = Writers()
    weights = writers.network.weights | writers.segmenter.weights
    journal = Journal(options.journal, *weights.values())
    sets = {"coco_val": coco(options.coco), "flickr8k": flickr(options.flickr, options.captions, options.share)}
    result = {
        "weights": weights,
        "threads": THREADS,
        "beams": BEAMS,
        "least_confidence": SURE,
        "least_confidence_of_what_a_seg_does_not_see": SURE_ALONE,
        "large": LARGE,
        "seconds": "median of the processor per picture, one thread; of the network, and of composing from a class map",
        "sets": {},
        "captions": {},
    }
    images = []
    for name, pictures in sets.items():
        names, rows, references = [], [], []
        for picture, image, texts in pictures:
            rows.append(journal((name, picture), lambda image=image: writers(image)))
            names.append(picture)
            references.append(texts)
            if options.smoke and len(rows) == 2:
                break
        result["sets"][name] = figures(rows, references)
        result["captions"][name] = printed(names, rows, references)
        images += [f"{name}/{picture}" for picture in names]
    write(options.out, result, images=images)
    for name, found in result["sets"].items():
        for writer, f in found["writers"].items():
            sys.stderr.write(
                f"{name:9} {writer:9} BLEU-4 {f['bleu4']:.3f}  CIDEr-D {f['cider_d']:.3f}  ROUGE-L {f['rouge_l']:.3f}  "
                f"{f['bytes']['mean']:.1f} bytes\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
