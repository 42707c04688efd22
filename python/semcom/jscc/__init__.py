# SPDX-License-Identifier: GPL-3.0-or-later
"""The mathematics of joint source-channel coders: images to channel symbols and back, NumPy in and out."""

from __future__ import annotations

from .coder import Coder, channels_for, symbol_count
from .symbols import ImageSymbols

__all__ = ["Coder", "ImageSymbols", "channels_for", "symbol_count"]
