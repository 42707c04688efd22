# SPDX-License-Identifier: GPL-3.0-or-later
"""Published figures to stand beside: mean PSNR of the 24 Kodak images, AWGN, k/n = 1/12 complex uses per real value.

The capacity figures assume a perfect code at the exact SNR; a real code of known SNR loses 1 to 2 dB of SNR, and all
of the picture below its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

RATE = 1 / 12
IMAGES = frozenset(f"kodim{number:02d}.png" for number in range(1, 25))


@dataclass(frozen=True)
class Anchor:
    """A published curve.

    Attributes
    ----------
    label : str
        What a figure calls it.
    source : str
        Where it is from.
    psnr_db : dict of float to float
        Es/N0 in dB to mean PSNR in dB.
    """

    label: str
    source: str
    psnr_db: dict[float, float]


ANCHORS = (
    Anchor(
        "JPEG 2000 + capacity",
        "JPEG 2000 at the bits that a capacity-achieving code would carry",
        {1: 29.87, 4: 31.74, 7: 33.55, 10: 35.13, 13: 36.59},
    ),
    Anchor(
        "AVIF + capacity",
        "AVIF at the bits that a capacity-achieving code would carry",
        {1: 30.46, 4: 32.25, 7: 33.91, 10: 35.38, 13: 36.64},
    ),
    Anchor(
        "SwinJSCC, one model",
        "Yang et al., SwinJSCC: Taming Swin Transformer for Deep Joint Source-Channel Coding, 2024",
        {1: 30.35, 4: 31.98, 7: 33.34, 10: 34.41, 13: 35.19},
    ),
    Anchor("DeepJSCC", "Bourtsoulatze et al., Deep Joint Source-Channel Coding, 2019", {10: 33.05}),
    Anchor("WITT", "Yang et al., WITT: A Wireless Image Transmission Transformer, ICASSP 2023", {10: 35.0}),
)
