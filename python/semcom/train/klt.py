# SPDX-License-Identifier: GPL-3.0-or-later
"""SoftCast's transform from photographs: closed form, needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import files
from ..errors import BadInput
from ..jscc.softcast import fit
from .files import left_out, pictures, write_card


def fit_klt(data: list[Path], out: Path, report: Callable[[str], None] = lambda line: None) -> Path:
    """Write ``softcast_klt.npz`` and its card.

    Parameters
    ----------
    data : list of Path
        Folders or tars of photographs.
    out : Path
        Folder, made if it is not there.
    report : callable, optional
        Takes a line of what happened.

    Returns
    -------
    Path
        Of the table.

    Raises
    ------
    BadInput
        No picture can be read.
    """
    unreadable: list[str] = []
    count = 0

    def counted():
        nonlocal count
        for _, _, picture in pictures(data, unreadable):
            count += 1
            yield np.asarray(picture.convert("RGB"))
        if unreadable:
            report(left_out(unreadable))
        if not count:
            raise BadInput(f"{', '.join(map(str, data))} has no picture that can be read", field="data")

    transform = fit(counted())
    out.mkdir(parents=True, exist_ok=True)
    path = out / "softcast_klt.npz"
    files.replace(path, lambda stream: np.savez_compressed(stream, **transform))
    about = {
        "description": "Karhunen-Loeve transform of 16x16x3 patches, and variances of its components for all patches "
        "together and for each class of patches, fitted in closed form",
        "recipe": {
            "data": [p.name for p in data],
            "images": count,
            "components": transform["levels"].shape[1],
            "classes": len(transform["levels"]) - 1,
        },
    }
    write_card(path, "softcast_klt", about)
    return path
