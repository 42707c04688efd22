#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quality of samsc, both training variants, beside softcast, at symbol level.

    python benchmarks/samsc_quality.py --kodak DIR --voc DIR --out results/samsc.json

Kodak: whole images, without noise and at 1..20 dB, AWGN, and block Rayleigh with ideal CSI. VOC: images blacked out
outside their most frequent class (``images/`` and ``masks/`` below DIR); whole-frame PSNR as the paper gives it and
ROI-PSNR. And the receiver told another noise than there is, Kodak at 1 and 10 dB. Complex noise, power normalised per
image, k/n = 1/12.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.segment import cut_out
from PIL import Image

from common import Journal, arguments, commit, write

SNRS = [None, *range(1, 21)]
LIES_DB = (-2, -1, 0, 1, 2)
CODERS = (("softcast", "original"), ("samsc", "original"), ("samsc", "masked"))


def received(coder, sent, snr_db, model, seed, lie_db=0.0):
    """The picture after the channel; snr_db None is no noise at all, and it is told to be ``lie_db`` stronger."""
    if snr_db is None:
        return coder.decode(sent.symbols, np.zeros(len(sent.symbols), np.float32), sent.header)
    channel = SymbolChannel(model, float(snr_db), "ideal", seed=seed)
    parts = {i: channel.apply(part) for i, part in enumerate(burst.split(sent.symbols))}
    parts = {i: (r.symbols, r.noise_var * np.float32(10 ** (lie_db / 10))) for i, r in parts.items()}
    symbols, noise_var, _ = burst.join(parts, len(parts), len(sent.symbols))
    return coder.decode(symbols, noise_var, sent.header)


def kodak(files: list[Path]) -> list[dict]:
    """PSNR of whole images, mean over them."""
    rows = []
    for scheme, variant in CODERS:
        coder = schemes.get(scheme).coder(variant)
        images = [io.load(f) for f in files]
        sent = [coder.encode(image) for image in images]
        for model in ("awgn", "rayleigh"):
            for snr_db in SNRS if model == "awgn" else (1, 5, 10, 15, 20):
                values = [
                    metrics.psnr(image, received(coder, s, snr_db, model, seed))
                    for seed, (image, s) in enumerate(zip(images, sent, strict=True))
                ]
                rows.append(
                    {"scheme": scheme, "variant": variant, "channel": model, "csi": "ideal", "snr_db": snr_db}
                    | {"psnr_db": round(float(np.mean(values)), 3)}
                )
                sys.stderr.write(f"{rows[-1]}\n")
    return rows


def misled(files: list[Path]) -> list[dict]:
    """PSNR of whole images by a receiver that takes the noise for stronger, mean over them."""
    coder = schemes.get("samsc").coder("original")
    images = [io.load(file) for file in files]
    sent = [coder.encode(image) for image in images]
    rows = []
    for snr_db in (1, 10):
        for lie_db in LIES_DB:
            values = [
                metrics.psnr(image, received(coder, s, snr_db, "awgn", seed, lie_db))
                for seed, (image, s) in enumerate(zip(images, sent, strict=True))
            ]
            rows.append({"snr_db": snr_db, "told_db": lie_db, "psnr_db": round(float(np.mean(values)), 3)})
            sys.stderr.write(f"{rows[-1]}\n")
    return rows


def masked(files: list[Path], folder: Path) -> list[dict]:
    """PSNR and ROI-PSNR of images blacked out outside one class."""
    pairs = []
    for file in files:
        classes = np.asarray(Image.open(folder / f"{file.stem}.png"))
        counts = np.bincount(classes[(classes > 0) & (classes < 255)], minlength=21)
        if counts.max() > 0:
            mask = classes == counts.argmax()
            pairs.append((cut_out(io.load(file), mask), mask))
    rows = []
    for scheme, variant in CODERS:
        coder = schemes.get(scheme).coder(variant)
        for snr_db in (None, 1, 5, 10, 15, 20):
            out = [(i, m, received(coder, coder.encode(i), snr_db, "awgn", k)) for k, (i, m) in enumerate(pairs)]
            rows.append(
                {"scheme": scheme, "variant": variant, "channel": "awgn", "csi": "ideal", "snr_db": snr_db}
                | {"psnr_db": round(float(np.mean([metrics.psnr(i, r) for i, _, r in out])), 3)}
                | {"roi_psnr_db": round(float(np.mean([metrics.roi_psnr(i, r, m) for i, m, r in out])), 3)}
                | {"images": len(out)}
            )
            sys.stderr.write(f"{rows[-1]}\n")
    return rows


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__, journal=True)
    parser.add_argument("--kodak", type=Path, required=True)
    parser.add_argument("--voc", type=Path, required=True)
    args = parser.parse_args()
    journal, weights = Journal(args.journal, str(commit())), {}
    for scheme, variant in CODERS:
        weights |= schemes.get(scheme).coder(variant).weights
    whole, parts = sorted(args.kodak.glob("*.png")), sorted((args.voc / "images").glob("*.jpg"))
    report = {
        "what": "samsc trained on whole and on masked images, beside softcast; mean PSNR in dB",
        "snr": "Es/N0 per complex symbol, complex noise; null: no noise",
        "payload_kn": 1 / 12,
        "weights": weights,
        "kodak": journal(("kodak",), lambda: kodak(whole)),
        "noise_told": journal(("noise",), lambda: misled(whole)),
        "voc_masked": journal(("voc",), lambda: masked(parts, args.voc / "masks")),
    }
    write(args.out, report, images=[path.name for path in whole + parts], seed="index of the image")


if __name__ == "__main__":
    main()
