# SPDX-License-Identifier: GPL-3.0-or-later
"""The photographs of the examples."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput


def sample_image(name: str = "skimage_astronaut.png") -> str:
    """Path of a photograph that is installed with the module, or lies in the source tree's ``examples/images``.

    Parameters
    ----------
    name : str, default "skimage_astronaut.png"
        File name of the photograph.

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    BadInput
        There is none of that name; the sentence lists those there are.
    """
    known: set[str] = set()
    for parent in Path(__file__).resolve().parents:
        for folder in (parent / "share/gnuradio/semcom/images", parent / "examples/images"):
            if (folder / name).is_file():
                return str(folder / name)
            known.update(f.name for f in folder.glob("*.[pj][np]g"))
    raise BadInput(f"there is no sample image {name}; choose {', '.join(sorted(known)) or 'a file of your own'}")
