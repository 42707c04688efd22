# SPDX-License-Identifier: GPL-3.0-or-later
"""SoftCast's transform from photographs: closed form, needs no torch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..jscc.softcast import fit
from .files import image_files, write_card


def fit_klt(data: list[Path], out: Path) -> Path:
    """Write ``softcast_klt.npz`` and its card.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    out : Path
        Folder, made if it is not there.

    Returns
    -------
    Path
        Of the table.
    """
    pictures = (np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")) for path in data for _, raw in image_files(path))
    count = 0

    def counted():
        nonlocal count
        for picture in pictures:
            count += 1
            yield picture

    transform = fit(counted())
    out.mkdir(parents=True, exist_ok=True)
    path = out / "softcast_klt.npz"
    np.savez_compressed(path, **transform)
    about = {
        "description": "Karhunen-Loeve transform of 16x16x3 patches and its variances, fitted in closed form",
        "recipe": {"data": [p.name for p in data], "images": count, "components": int(transform["variance"].size)},
    }
    write_card(path, "softcast_klt", about)
    return path
