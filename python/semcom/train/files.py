# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files in folders and tars, and the cards of trained files."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def image_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every image in a folder, at any depth, or in a tar.

    Parameters
    ----------
    path : Path
        Folder or tar.

    Returns
    -------
    iterator of (str, bytes)
        Stem of the file's name, and its encoded bytes.

    Raises
    ------
    BadInput
        It is neither.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                yield file.stem, file.read_bytes()
    elif path.is_file() and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    yield Path(member.name).stem, tar.extractfile(member).read()
    else:
        raise BadInput(f"{path} is neither a folder nor a tar of images")


def write_card(path: Path, name: str, about: dict) -> None:
    """Write the card of a trained file beside it: name, sha256 and more.

    Parameters
    ----------
    path : Path
        The trained file.
    name : str
        Of the weights.
    about : dict
        What else the card says.
    """
    data = path.read_bytes()
    card = {
        "name": name,
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        # it is for whoever trained it to say
        "licence": "not stated",
    }
    path.with_suffix(".json").write_text(json.dumps(card | about, indent=2) + "\n")
