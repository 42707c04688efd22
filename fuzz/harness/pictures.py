# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files of every format that is read, spoilt: a picture, or a sentence."""

from __future__ import annotations

import io as memory
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from PIL import Image, features

from . import hostile
from .common import picture, require

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
MODES = ("RGB", "L", "P", "RGBA", "1", "I;16")


def encoded() -> list[bytes]:
    """Small pictures in every format and mode that Pillow writes here."""
    out = []
    for number, form in enumerate(FORMATS):
        for mode in MODES:
            image = Image.fromarray(picture(23, 37, number))
            made = memory.BytesIO()
            try:
                image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
                image.save(made, form)
            except (OSError, ValueError, KeyError):  # not of this mode, or no such codec
                continue
            out.append(made.getvalue())
    return out


class Pictures:
    """One file, spoilt in another way each time."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.files = encoded()
        require(len(self.files) > 20 and features.check("jpg"), "Pillow writes hardly anything here")
        self.folder = Path(tempfile.mkdtemp(prefix="semcom-fuzz-"))
        self.spent = 0

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder)

    def step(self) -> bool:
        """One file; whether a picture was made of it."""
        rng = self.rng
        content = hostile.spoilt(rng, rng.choice(self.files))
        if rng.random() < 0.3 and len(content) > 40:
            # sizes are near the front
            at = rng.randrange(4, 40)
            content = (
                content[:at]
                + rng.choice([b"\xff\xff\xff\xff", b"\0\0\xff\xff", b"\x7f", b"\0\0\0\0"])
                + content[at + 4 :]
            )
        path = self.folder / rng.choice(["a.png", "a.jpg", "a"])
        path.write_bytes(content)
        try:
            image = io.load(path) if rng.random() < 0.7 else io.load_mask(path, 23, 37)
        except BadInput as error:
            require("\n" not in str(error) and len(str(error)) < 2000, f"no sentence: {error}")
            return False
        finally:
            path.unlink()
        require(isinstance(image, np.ndarray) and image.size <= 3 * io.MAX_PIXELS, "a picture of another size was read")
        return True
