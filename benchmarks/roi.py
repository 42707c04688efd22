#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a region of interest costs: its PSNR against channel uses, sent with the whole frame, weighed, and apart.

    python benchmarks/roi.py --voc DIR --out results/roi.json

``--voc`` holds ``images`` and ``masks`` (class maps). The region of a picture is the bounding box of its largest class
whose box covers less than 30 % of the frame; pictures without one are left out. Each scheme sends the frame whole, and
with an importance of 1/32 and of 0 outside the region, at several rates over AWGN of 10 dB; the first paper's way,
``samsc`` trained on masked pictures, sends the picture black outside. Channel uses are all that is sent, maps included.
``layers`` is ``softcast`` with region and rest as parts of their own; ``segsc`` codes them apart, the rest at 1/8 or
1/32 of the region's rate or not at all. ``rest_lost`` is what remains where every burst of the last part is lost.
``uses_for_equal_quality`` is the share of the uses of the whole frame at 1/12 at which the region is as good, read off
the mean curve with importance on a logarithmic axis; ``more_at_equal_uses_db`` is the difference at 1/12.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from gnuradio.semcom import schemes
from gnuradio.semcom.channel.symbol import Received, SymbolChannel
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.sweep.tasks import Encoding, heard, received_image
from PIL import Image

from common import Journal, arguments, write

SNR_DB = 10.0
MOST = 0.3  # of the frame
RATES = ("1/12", "1/18", "1/24", "1/36", "1/48")
OUTSIDE = {"whole": None, "1/8": 1 / 8, "1/32": 1 / 32, "skipped": 0.0}
# what is called how: scheme, options, what is tried outside
WEIGHED = {
    "softcast": ("softcast", {}, ("whole", "1/32", "skipped")),
    "layers": ("softcast", {"layers": True}, ("1/8", "1/32")),
    "segsc": ("segsc", {}, ("1/8", "1/32", "skipped")),
    "segsc:semcom": ("segsc", {"region_coder": "semcom"}, ("1/8", "1/32", "skipped")),
    "semcom": ("semcom", {}, ("whole", "1/32", "skipped")),
}
WHOLE = {
    "softcast": "softcast",
    "layers": "softcast",
    "segsc": "softcast",
    "segsc:semcom": "semcom",
    "semcom": "semcom",
}


def region(classes: np.ndarray) -> np.ndarray | None:
    """bool [H, W]: the box; None where every class fills the frame."""
    found = []
    for number in np.unique(classes[(classes > 0) & (classes < 255)]):
        rows, columns = np.nonzero(classes == number)
        box = np.zeros(classes.shape, bool)
        box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        if box.mean() < MOST:
            found.append((len(rows), box))
    return max(found, key=lambda each: each[0])[1] if found else None


def pictures(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, RGB and region of each picture that has one."""
    for file in sorted((folder / "images").glob("*.jpg")):
        mask = folder / "masks" / f"{file.stem}.png"
        box = region(np.asarray(Image.open(mask)))
        if box is not None:
            yield file.name, io.load(file), box


def sent(image: np.ndarray, box: np.ndarray, name: str, options: dict, rate: str, outside: float | None) -> list[float]:
    """PSNR of the region in dB, channel uses for each value of the picture, PSNR of the frame.

    Where there are several parts of symbols also the first and the last with the last part lost.
    """
    scheme = schemes.get(name)
    importance = None if outside is None else np.where(box, 1.0, outside)
    conditions = schemes.Conditions(rate=float(Fraction(rate)), snr_db=SNR_DB)
    channel = SymbolChannel("awgn", SNR_DB, "ideal", seed=1)
    headers, bursts = heard(Encoding(scheme, scheme.options(options), conditions), image, channel.apply_all, importance)
    picture = received_image(scheme, headers, bursts).decoded.image
    uses = sum(header.n_symbols for header in headers)
    found = [metrics.roi_psnr(image, picture, box), uses / image.size, metrics.psnr(image, picture)]
    if headers[0].parts > 2:
        lost = Received(np.zeros(0, np.complex64), np.zeros(0, np.float32), 0.0, 0.0, 0)
        kept = [lost if header.part == header.parts - 1 else each for header, each in zip(headers, bursts, strict=True)]
        picture = received_image(scheme, headers, kept).decoded.image
        found += [metrics.roi_psnr(image, picture, box), metrics.psnr(image, picture)]
    return found


def measured(folder: Path, journal: Journal, limit: int) -> dict[str, list[list[float]]]:
    """Scheme, outside and rate -> what :func:`sent` says of each picture."""
    found: dict[str, list[list[float]]] = {}
    for number, (name, image, box) in enumerate(pictures(folder)):
        if number == limit:
            break
        for called, (scheme, options, outsides) in WEIGHED.items():
            for outside in outsides:
                for rate in RATES:
                    key = (name, called, outside, rate)
                    figures = journal(key, partial(sent, image, box, scheme, options, rate, OUTSIDE[outside]))
                    found.setdefault(f"{called} {outside} {rate}", []).append(figures)
        black = np.where(box[..., None], image, 0).astype(np.uint8)
        figures = journal((name, "samsc"), partial(sent, black, box, "samsc", {"variant": "masked"}, "1/12", None))
        found.setdefault("samsc masked 1/12", []).append(figures)
    return found


def main() -> None:
    """All pictures; write the JSON."""
    parser = arguments(__doc__, journal=True, out=Path("results/roi.json"))
    parser.add_argument("--voc", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=-1, help="pictures, for a quick look")
    args = parser.parse_args()
    weights = {
        called: schemes.get(name).load(schemes.get(name).options(options))
        for called, (name, options, _) in WEIGHED.items()
    }
    found = measured(args.voc, Journal(args.journal, str(weights)), args.limit)
    rows = []
    for key, values in found.items():
        figures = np.round(np.mean(values, axis=0), 4).tolist()
        row = dict(zip(("scheme", "outside", "rate"), key.split(), strict=True))
        row |= dict(zip(("roi_psnr_db", "kn", "psnr_db"), figures[:3], strict=True))
        if figures[3:]:
            row["rest_lost"] = dict(zip(("roi_psnr_db", "psnr_db"), figures[3:], strict=True))
        rows.append(row)
    verdicts = {}
    for called, (_, _, outsides) in WEIGHED.items():
        base = next(r for r in rows if (r["scheme"], r["outside"], r["rate"]) == (WHOLE[called], "whole", "1/12"))
        for outside in outsides:
            if outside == "whole":
                continue
            curve = sorted(
                (r["roi_psnr_db"], r["kn"]) for r in rows if (r["scheme"], r["outside"]) == (called, outside)
            )
            quality, uses = zip(*curve, strict=True)
            equal = np.exp(np.interp(base["roi_psnr_db"], quality, np.log(uses))) / base["kn"]
            verdicts[f"{called}, outside {outside}"] = {
                "uses_for_equal_quality": round(float(equal), 3),
                "more_at_equal_uses_db": round(max(quality) - base["roi_psnr_db"], 2),
            }
    count = len(next(iter(found.values())))
    names = [name for name, *_ in islice(pictures(args.voc), count)]
    figures = {"snr_db": SNR_DB, "pictures": count, "rows": rows, "verdicts": verdicts}
    write(args.out, figures, images=names, seed=1)


if __name__ == "__main__":
    main()
