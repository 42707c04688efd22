# SPDX-License-Identifier: GPL-3.0-or-later
"""Fragments as an encoder sends them, and fragments with lies."""

from __future__ import annotations

import random

import numpy as np
import pmt
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder

from .common import INTEGERS, REALS, odd_floats, odd_pmt, picture

SIZES = [(512, 64), (1, 4096), (32767, 32767), (1, 32767), (2048, 2048), (32767, 1024), (4096, 8192)]
FIELDS = [
    "transmission", "image_id", "part", "parts", "fragment", "fragments", "scheme", "height", "width", "rate", "scale",
    "snr_enc", "mcs", "weights_id", "n_symbols",
]  # fmt: skip
MEASURED = ["noise_var", "snr_db", "signal_energy", "noise_energy", "pilots", "cfo_hz", "name", "error", "lost"]


def sent(scheme: str, sizes: list[tuple[int, int]], rates: list[float]) -> list[list[tuple[dict, np.ndarray]]]:
    """What an encoder sends for each size: lists of (metadata, symbols)."""
    out = []
    for number, ((height, width), rate) in enumerate(zip(sizes, rates, strict=True)):
        encoder, messages = jscc_encoder(scheme, rate), []
        encoder.publish = lambda port, msg, messages=messages: messages.append(msg)
        msg = pdus.from_image(picture(height, width, number), {"image_id": number, "name": f"image{number}"})
        encoder.work_on("image", msg, pdus.meta_of(msg))
        out.append([(pdus.meta_of(m), pdus.to_symbols(m)) for m in messages])
    return out


def hostile(rng: random.Random, meta: dict, symbols: np.ndarray) -> pmt.pmt_base:
    """One fragment with zero or more lies."""
    meta = dict(meta)
    odd: dict[str, pmt.pmt_base] = {}
    if rng.random() < 0.7:
        meta["noise_var"] = odd_floats(rng, len(symbols)) if rng.random() < 0.5 else np.full(len(symbols), 0.1, "f4")
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        kind = rng.randrange(9)
        key = rng.choice(FIELDS if rng.random() < 0.7 else MEASURED)
        if kind == 0:
            meta[key] = rng.choice(INTEGERS)
        elif kind == 1:
            meta.pop(key, None)
        elif kind == 2:
            odd[key] = odd_pmt(rng)
        elif kind == 3:
            n = rng.choice([0, 1, len(symbols) // 2, max(len(symbols) - 1, 0), 4096, 4097])
            symbols = np.resize(symbols, n) if len(symbols) else np.zeros(n, np.complex64)
            if rng.random() < 0.5:
                meta["n_symbols"] = n
        elif kind == 4:
            symbols = symbols.copy()
            for _ in range(rng.randrange(5) if len(symbols) else 0):
                symbols[rng.randrange(len(symbols))] = np.complex64(
                    complex(rng.choice(REALS[:5]), rng.choice(REALS[:5]))
                )
        elif kind == 5:
            meta[rng.choice(MEASURED)] = rng.choice(REALS)
        elif kind == 6:
            # a header that agrees with itself and asks for as much as it can
            height, width = rng.choice(SIZES if rng.random() < 0.05 else SIZES[:3])
            rate = rng.choice([0, 1, 127, 255])
            total = (-(-height // 16) * -(-width // 16) * (rate + 1) + 1) // 2
            fragments = -(-total // 4096)
            meta |= {"height": height, "width": width, "rate": rate, "fragments": fragments, "fragment": 0}
            if rng.random() < 0.5:
                symbols = np.ones(min(4096, -(-total // fragments)), np.complex64)
                meta["n_symbols"] = len(symbols)
                meta.pop("noise_var", None)
        elif kind == 7:
            meta["image_id"] = rng.randrange(65536)
        else:
            meta["scale"] = rng.choice([0, 1, 32768, 65535])
    table = pdus.message(meta)
    for key, value in odd.items():
        table = pmt.dict_add(table, pmt.intern(key), value)
    if rng.random() < 0.02:
        return odd_pmt(rng)
    if rng.random() < 0.05:
        return pmt.cons(table, odd_pmt(rng))
    return pmt.cons(table, pmt.cdr(pdus.from_symbols(symbols, {})))
