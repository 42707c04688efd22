#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the contexts of the coders of scenes begin with.

    python tools/contexts.py labelmap --data voc2012_train_masks.tar \\
        --out python/semcom/scene/coding/labelmap_contexts.json
    python tools/contexts.py colours --data train_256.tar \\
        --out python/semcom/scene/coding/colour_contexts.json

How often each context was followed by a one is kept as a ratio with the weight of at most so many symbols. Label maps
are the first masks of an archive at 512x512, void as background; colours are those of photographs, cut into areas of
similar colour and coded at several steps.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.entropy import Contexts
from semcom.scene.appearance import measure
from semcom.scene.coding import colours, labelmap
from semcom.segment.regions import merged

PRIOR = 0.4  # added to each count, near the estimator of Krichevsky and Trofimov
MASK_SIDE, PHOTOGRAPH_SIDE = 512, 256
VOID = 255
STEPS = (6, 10, 16, 26)
SEGMENTS = (4, 8, 16)


class Counter:
    """Has the face of an encoder and counts."""

    def __init__(self, contexts: int) -> None:
        self.counts = np.zeros((contexts, 2), np.int64)

    def bit(self, value: int, context: int, contexts: Contexts) -> int:
        """Count one bit."""
        self.counts[context, value] += 1
        return value

    def uniform(self, value: int, count: int) -> int:
        """Has no context."""
        return value


def images(archive: Path) -> Iterator[tuple[int, Callable[[], Image.Image]]]:
    """How many images a tar has, and how each is opened."""
    with tarfile.open(archive) as files:
        members = [member for member in files.getmembers() if member.isfile()]
        for member in members:
            yield len(members), lambda member=member: Image.open(io.BytesIO(files.extractfile(member).read()))


def scan_masks(counter: Counter, archive: Path, count: int) -> None:
    """Code the first class maps of a tar."""
    for number, (_, opened) in enumerate(images(archive)):
        if number == count:
            break
        labels = np.array(opened().resize((MASK_SIDE, MASK_SIDE), Image.Resampling.NEAREST))
        labels[labels == VOID] = 0
        labelmap.scan(counter, labels)


def scan_colours(counter: Counter, archive: Path, count: int) -> None:
    """Code the colours of photographs of a tar, evenly spread over it."""
    done = 0
    for number, (total, opened) in enumerate(images(archive)):
        if done == count or number % max(1, total // count):
            continue
        picture = opened().convert("RGB").resize((PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE))
        areas = picture.filter(ImageFilter.GaussianBlur(3)).quantize(8, dither=Image.Dither.NONE)
        labels = merged(np.asarray(areas), 64)[0]
        segments = (merged(labels, 64, SEGMENTS[done % len(SEGMENTS)])[0] + 1).astype(np.uint8)
        colours.scan(counter, measure(np.asarray(picture), segments, STEPS[done % len(STEPS)]))
        done += 1


@dataclass(frozen=True)
class Coder:
    """A coder's contexts: how many, of what weight in symbols, and from what they are counted."""

    name: str
    contexts: int
    weight: int
    images: int
    scan: Callable[[Counter, Path, int], None]


CODERS = {
    "labelmap": Coder("label map coder", labelmap.CONTEXTS, 64, 300, scan_masks),
    "colours": Coder("colours' coder", colours.CONTEXTS, 24, 60, scan_colours),
}


def main() -> None:
    """Parse the arguments and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coder", choices=CODERS)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", type=int, help="images: 300 masks, 60 photographs")
    arguments = parser.parse_args()
    coder = CODERS[arguments.coder]
    count = arguments.count or coder.images
    counter = Counter(coder.contexts)
    coder.scan(counter, arguments.data, count)
    counts = counter.counts + PRIOR
    total = counts.sum(axis=1, keepdims=True)
    start = np.maximum(1, np.round(counts / total * np.minimum(total, coder.weight))).astype(int)
    record = {
        "what": f"counts of 0 and of 1 that each context of the {coder.name} begins with",
        "command": f"python tools/contexts.py {arguments.coder} --data {arguments.data.name} --count {count}",
        "counts": start.tolist(),
    }
    arguments.out.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
