#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the contexts of the label map coder begin with.

    python tools/labelmap_contexts.py --masks voc2012_train_masks.tar --out python/semcom/scene/labelmap_contexts.json

Counts, on the first masks of the archive at 512x512, how often each context was followed by a one, and keeps the ratio
with the weight of at most 64 symbols. Void counts as background.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.scene import labelmap
from semcom.scene.entropy import Contexts

SIDE = 512
VOID = 255
WEIGHT = 64  # symbols that the measured ratio counts for
PRIOR = 0.4  # added to each count, near the estimator of Krichevsky and Trofimov


class Counter:
    """Has the face of an encoder and counts."""

    def __init__(self) -> None:
        self.counts = np.zeros((labelmap.CONTEXTS, 2), np.int64)

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
    parser.add_argument("--masks", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--count", default=300, type=int)
    arguments = parser.parse_args()
    counter = Counter()
    with tarfile.open(arguments.masks) as archive:
        for member in [m for m in archive.getmembers() if m.isfile()][: arguments.count]:
            mask = Image.open(io.BytesIO(archive.extractfile(member).read())).resize((SIDE, SIDE), 0)
            labels = np.asarray(mask).copy()
            labels[labels == VOID] = 0
            labelmap.scan(counter, labels)
    counts = counter.counts + PRIOR
    total = counts.sum(axis=1, keepdims=True)
    start = np.maximum(1, np.round(counts / total * np.minimum(total, WEIGHT))).astype(int)
    record = {
        "what": "counts of 0 and of 1 that each context of the label map coder begins with",
        "command": f"python tools/labelmap_contexts.py --masks {arguments.masks.name} --count {arguments.count}",
        "counts": start.tolist(),
    }
    arguments.out.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
