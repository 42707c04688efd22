# SPDX-License-Identifier: GPL-3.0-or-later
"""Conventional image codecs: a picture into a given number of bytes and back, NumPy in and out."""

from __future__ import annotations

from .picture import CODECS, Coded, Decoded, check_codec, check_pillow, decode, encode

__all__ = ["CODECS", "Coded", "Decoded", "check_codec", "check_pillow", "decode", "encode"]
