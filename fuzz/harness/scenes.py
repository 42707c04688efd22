# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes whose containers are turned over, cut, spliced, and made by hand to lie with sound checksums.

A scene is read as far as it is sound, with a sentence for each part that is not, and what was read makes a picture; the
block that does so reports nothing but sentences.
"""

from __future__ import annotations

import random

import numpy as np
from gnuradio import semcom
from gnuradio.semcom import codec
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.scene import Scene, SubImage, decode_scene, describe_scene, encode_scene, reconstruct
from gnuradio.semcom.scene.appearance import measure
from gnuradio.semcom.scene.coding import container
from gnuradio.semcom.segment import SceneObject

from .common import Probe, allocating, require

MAX_PIXELS_DRAWN = 2**20  # larger pictures are read but not drawn, which takes time and says no more
MAX_BYTES = 2**28  # bytes: maps of a million pixels as Python's integers, and sub-images


def scenes() -> list[bytes]:
    """What an encoder makes of a few images."""
    out = []
    for seed, (height, width) in enumerate([(64, 80), (17, 33), (120, 96)]):
        rng = np.random.default_rng(seed)
        tile = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        image = np.kron(tile, np.ones((-(-height // 4), -(-width // 4), 1), np.uint8))[:height, :width]
        labels = rng.integers(0, 3, (4, 4), dtype=np.uint8)
        labels = np.kron(labels, np.ones((-(-height // 4), -(-width // 4)), np.uint8))[:height, :width]
        segments = np.ones((height, width), np.uint8)
        segments[height // 2 :] = 2
        sub = np.ascontiguousarray(image[:16, :16])
        kinds = codec.CODECS[seed % len(codec.CODECS)]
        scene = Scene(
            height, width, f"Scene {seed}: two dogs and a zeppelin.", labels, (SceneObject(1, (1, 2, 9, 12), 40),),
            measure(image, segments), segments, measure(image, segments),
            (SubImage((0, 0, 16, 16), codec.encode(sub, kinds, 2000).data),),
        )  # fmt: skip
        out.append(encode_scene(scene))
    return out


class Scenes:
    """One scene, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.honest = scenes()
        self.decoder = semcom.esisc_decoder(True)
        self.probe = Probe(self.decoder)
        for data in self.honest:  # what the first reading imports is not what a scene makes us allocate
            reconstruct(decode_scene(data).scene)
        self.spent = 0

    def _payload(self, section: container.Section) -> bytes:
        rng, payload = self.rng, bytearray(section.payload)
        for _ in range(rng.choice([1, 1, 3, 20])):
            kind = rng.randrange(5)
            if not payload or kind == 0:
                payload += rng.randbytes(rng.choice([1, 4, 200]))
            elif kind == 1:
                payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
            elif kind == 2:
                # sizes are in front
                payload[rng.randrange(min(9, len(payload)))] = rng.choice([0, 1, 4, 127, 128, 255])
            elif kind == 3:
                del payload[rng.randrange(len(payload)) :]
            else:
                at = rng.randrange(len(payload))
                payload[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x04\0\x04\0"])
        return bytes(payload)

    def _spoilt(self) -> bytes:
        rng = self.rng
        data = rng.choice(self.honest)
        found = list(decode_scene(data).sections)
        if rng.random() < 0.6:
            # lies whose checksums are right
            for _ in range(rng.choice([1, 1, 2, 5])):
                i = rng.randrange(len(found))
                kind = found[i].type if rng.random() < 0.8 else rng.randrange(256)
                found[i] = container._section(kind, self._payload(found[i]))
            if rng.random() < 0.3:
                found += rng.choices(found, k=rng.choice([1, 3, 100]))
            rng.shuffle(found)
        head = data[: container.HEADER_BYTES]
        if rng.random() < 0.2:
            head = container.header(rng.choice([1, 17, 1024, 5792]), rng.choice([1, 33, 1024, 5792]))
        spoilt = bytearray(head + b"".join(section.data for section in found))
        if rng.random() < 0.4:
            for _ in range(rng.choice([1, 1, 4, 64])):
                spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del spoilt[rng.randrange(len(spoilt)) :]
        if rng.random() < 0.05:
            spoilt = bytearray(bytes([container.SYNC, 2, 255, 255, 3, 0, 0]) * rng.choice([10, 3000]))
        return bytes(spoilt)

    def step(self) -> bool:
        """One scene; whether a picture was made of it."""
        rng, data = self.rng, self._spoilt()
        decoded, spent = allocating(decode_scene, data)
        self.spent = max(self.spent, spent)
        require(self.spent < MAX_BYTES, f"{self.spent} bytes were allocated for {len(data)} bytes")
        for sentence in decoded.problems:
            require("\n" not in sentence and len(sentence) < 600, f"no sentence: {sentence}")
        describe_scene(data, decoded)
        if decoded.scene.height * decoded.scene.width > MAX_PIXELS_DRAWN:
            return False
        self.probe.clear()
        meta = {"image_id": rng.randrange(4), "height": 64, "width": 80}
        if rng.random() < 0.3:
            meta["part"] = rng.choice([0, 4, -1])
        if rng.random() < 0.05:
            meta["scheme"] = rng.choice([0, 1, 255])
        msg = pdus.from_bytes(data, meta)
        self.decoder._take("bytes", msg)
        return any(port == "image" and "error" not in pdus.meta_of(out) for port, out in self.probe.out)
