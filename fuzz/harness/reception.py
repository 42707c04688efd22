# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts of several schemes at once for the reception of the domain, with lies in their headers; no GNU Radio."""

from __future__ import annotations

import random

import numpy as np
from gnuradio.semcom import schemes
from gnuradio.semcom.burst import Dropped, Idle, ImageHeader, reassembly
from gnuradio.semcom.errors import SemcomError
from gnuradio.semcom.schemes import Conditions, Image, News, Part, PartRead, Transmission

from .common import INTEGERS, REALS, odd_floats, picture, require
from .fragments import FIELDS
from .headers import agreed
from .scenes import scenes

ODD = [None, True, "x", b"y", 1.5, (1,), *REALS, *INTEGERS]


def transmissions() -> list[list[tuple[dict, np.ndarray]]]:
    """The bursts of some images, by schemes of one part and of three."""
    out = []
    for number, (name, size) in enumerate(
        [("softcast", (160, 192)), ("softcast", (48, 64)), ("softcast", (300, 17)), ("digital", (96, 128))]
    ):
        scheme = schemes.get(name)
        sent = scheme.encode(picture(*size, number), Conditions(rate=1 / 6), scheme.options())
        out.append(schemes.bursts(sent, scheme, f"image{number}", number, 1))
    for number, (name, options) in enumerate([("segsc", {}), ("softcast", {"layers": True})], 10):
        scheme, importance = schemes.get(name), np.full((96, 128), 0.1)
        importance[20:60, 30:70] = 1
        sent = scheme.encode(picture(96, 128, number), Conditions(rate=1 / 6), scheme.options(options), importance)
        out.append(schemes.bursts(sent, scheme, f"image{number}", number, 1))
    scene = schemes.get("esisc")
    for number, data in enumerate(scenes()):
        thirds = [data[: len(data) // 3], data[len(data) // 3 : 2 * len(data) // 3], data[2 * len(data) // 3 :]]
        parts = tuple(Part(piece, index, mcs=2 * index, bursts=3 - index) for index, piece in enumerate(thirds))
        out.append(schemes.bursts(Transmission(parts, ImageHeader(64, 80, scene.name)), scene, "scene", number, 2))
    return [[(header.fields(), symbols) for header, symbols in bursts] for bursts in out]


class Receiving:
    """Bursts in any order, lost, twice, and with lies; whatever arrives, nothing is raised and nothing piles up."""

    MAX_RISEN = 2**30  # a header may say that a picture has four million pixels, and they may all be there

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.sent = transmissions()
        self.reception = schemes.Reception(timeout=50)
        self.spent = 0

    def step(self) -> bool:
        """Some images' worth of bursts; whether one of them was decoded."""
        rng, reports = self.rng, []
        chosen = rng.sample(self.sent, rng.randrange(1, 4))
        chosen = [agreed(rng, bursts) if rng.random() < 0.3 else bursts for bursts in chosen]
        pieces = [burst for bursts in chosen for burst in bursts]
        if rng.random() < 0.5:
            rng.shuffle(pieces)
        for meta, symbols in pieces:
            if rng.random() < 0.1:
                continue
            reports += self.reception.feed(*self._spoilt(dict(meta), symbols))
            held = self.reception.reassembly
            require(held.waiting <= reassembly.MAX_PENDING, "too many images wait")
            require(0 <= held.symbols <= reassembly.MAX_SYMBOLS, "too many symbols wait")
        if rng.random() < 0.3:
            reports += self.reception.flush(rng.choice([None, 0, 1, 10**6]), rng.choice([None, 5]))
        if rng.random() < 0.1:
            reports += self.reception.finish()
            held = self.reception.reassembly
            require(held.waiting == held.symbols == 0, "something is held after the end")
            require(not self.reception._states, "decoders are held after the end")
        for report in reports:
            self._check(report)
        return any(isinstance(report, Image) and report.decoded is not None for report in reports)

    def _spoilt(self, meta: dict, symbols: np.ndarray) -> tuple[dict, np.ndarray]:
        rng = self.rng
        meta["noise_var"] = np.full(len(symbols), 1e-3, np.float32)
        for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
            kind = rng.randrange(4)
            if kind == 0:
                meta[rng.choice(FIELDS)] = rng.choice(ODD)
            elif kind == 1:
                meta.pop(rng.choice([*FIELDS, "noise_var"]), None)
            elif kind == 2:
                symbols = np.resize(symbols, rng.choice([0, 1, len(symbols)]))
            else:
                meta["noise_var"] = odd_floats(rng, len(symbols))
        return meta, symbols

    @staticmethod
    def _check(report: object) -> None:
        require(isinstance(report, Dropped | Idle | PartRead | News | Image), f"{type(report).__name__} was reported")
        if isinstance(report, Dropped):
            require("\n" not in report.sentence and len(report.sentence) < 600, f"no sentence: {report.sentence}")
        if isinstance(report, Image):
            require((report.decoded is None) == bool(report.error), "an image neither arrived nor was given up")
            failure = report.failure
            require(failure is None or isinstance(failure, SemcomError | ValueError), f"{failure!r} was raised")
        if isinstance(report, Image) and report.decoded is not None:
            size = report.decoded.image.shape[:2]
            known = (report.meta["height"], report.meta["width"])
            require(size == known or report.meta["scheme"] == "esisc", "an image of another size was delivered")
