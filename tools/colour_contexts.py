#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the contexts of the colours' coder begin with.

    python tools/colour_contexts.py --data train_256.tar --out python/semcom/scene/colour_contexts.json

Photographs are cut into areas of similar colour, and their colours coded at several steps; how often each context was
followed by a one is kept with the weight of at most 24 symbols.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.scene import colours
from semcom.scene.entropy import Contexts
from semcom.scene.rebuild import measure
from semcom.segment.regions import merged

SIDE = 256
WEIGHT = 24
PRIOR = 0.4
STEPS = (6, 10, 16, 26)
SEGMENTS = (4, 8, 16)


class Counter:
    """Has the face of an encoder and counts."""

    def __init__(self) -> None:
        self.counts = np.zeros((colours.CONTEXTS, 2), np.int64)

    def bit(self, value: int, context: int, contexts: Contexts) -> int:
        """Count one bit."""
        self.counts[context, value] += 1
        return value

    def uniform(self, value: int, count: int) -> int:
        """Has no context."""
        return value


def main() -> None:
    """Parse the arguments and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", default=60, type=int)
    arguments = parser.parse_args()
    counter = Counter()
    with tarfile.open(arguments.data) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        for i, member in enumerate(members[:: max(1, len(members) // arguments.count)][: arguments.count]):
            picture = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB").resize((SIDE, SIDE))
            areas = picture.filter(ImageFilter.GaussianBlur(3)).quantize(8, dither=Image.Dither.NONE)
            labels = merged(np.asarray(areas), 64)[0]
            segments = (merged(labels, 64, SEGMENTS[i % len(SEGMENTS)])[0] + 1).astype(np.uint8)
            colours.scan(counter, measure(np.asarray(picture), segments, STEPS[i % len(STEPS)]))
    counts = counter.counts + PRIOR
    total = counts.sum(axis=1, keepdims=True)
    start = np.maximum(1, np.round(counts / total * np.minimum(total, WEIGHT))).astype(int)
    record = {
        "what": "counts of 0 and of 1 that each context of the colours' coder begins with",
        "command": f"python tools/colour_contexts.py --data {arguments.data.name} --count {arguments.count}",
        "counts": start.tolist(),
    }
    arguments.out.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
