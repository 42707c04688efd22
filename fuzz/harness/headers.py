# SPDX-License-Identifier: GPL-3.0-or-later
"""Lies on which all bursts of an image agree, with as many symbols as the lie takes.

A random change of one burst contradicts the others and is dropped. What a sender means to do harm with is consistent:
another size, rate, number of parts or scheme in every header, and a payload that fits it.
"""

from __future__ import annotations

import random
from itertools import groupby

import numpy as np
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.burst import ANALOGUE, BurstHeader
from gnuradio.semcom.errors import SemcomError
from gnuradio.semcom.schemes.base import image_header

Bursts = list[tuple[dict, np.ndarray]]

MAX_SYMBOLS = 2**16  # of a part that is sent, whatever it says
# values that a header can carry, by its fields
JOINT = {
    "transmission": (0, 1, 255),
    "image_id": (0, 1, 65535),
    "parts": (1, 2, 3, 8),
    "scheme": (*(scheme.code for scheme in schemes.schemes().values()), 0, 127, 128, 255),
    "height": (1, 15, 16, 17, 64, 300, 2048, 32767),
    "width": (1, 15, 16, 17, 64, 300, 2048, 32767),
    "rate": (0, 1, 30, 127, 255),
    "scale": (0, 1, 32768, 65535),
    "snr_enc": (-128, -1, 0, 10, 127),
    "mcs": (0, 1, 27, 48, 62, ANALOGUE),
    "weights_id": (0, 1, 255),
}


def agreed(rng: random.Random, bursts: Bursts) -> Bursts:
    """All bursts of an image with the same lies, their payloads made to fit."""
    lie = {field: rng.choice(JOINT[field]) for field in rng.sample(list(JOINT), rng.choice([1, 1, 2, 3]))}
    made: Bursts = []
    for part, group in groupby(sorted(bursts, key=lambda item: item[0]["part"]), lambda item: item[0]["part"]):
        pieces = list(group)
        meta = {**pieces[0][0], **lie, "fragment": 0}
        meta["part"] = min(part, meta["parts"] - 1)
        whole = np.concatenate([symbols for _, symbols in pieces])
        count = _count(meta)
        if count and meta["mcs"] == ANALOGUE:
            payload = np.resize(whole, min(count, MAX_SYMBOLS)).astype(np.complex64)
            lengths = burst.fragments_needed(count)
            cut = burst.split(payload, lengths) if len(payload) == count else burst.split(payload)
            fragments = lengths
        else:
            cut, fragments = [symbols for _, symbols in pieces], len(pieces)
        for index, symbols in enumerate(cut[:fragments]):
            if 1 <= len(symbols) <= burst.MAX_FRAGMENT:
                made.append((meta | {"fragment": index, "fragments": fragments, "n_symbols": len(symbols)}, symbols))
    if rng.random() < 0.5:
        rng.shuffle(made)
    return made


def _count(meta: dict) -> int:
    """Symbols of the part that a header speaks of; 0 where its scheme cannot say."""
    scheme = schemes.of_code(meta["scheme"])
    if scheme is None:
        return 0
    try:
        header = BurstHeader.of(meta | {"fragments": 1, "n_symbols": 1})
        variant = next(iter(scheme.variants()), "")
        return min(scheme.symbols(image_header(header, scheme.name), header.part, variant), 4095 * 4096)
    except SemcomError:
        return 0
