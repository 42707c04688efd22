# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files in folders and tars, and the cards of trained files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from .. import archives, files
from ..errors import BadInput
from ..image.io import MAX_BYTES, decoded

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MAX_NAMED = 20  # files in one sentence
MAX_RATIO = 20  # times its own size that a tar unpacks to: pictures are compressed already


def image_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every image in a folder, at any depth, or in a tar.

    Parameters
    ----------
    path : Path
        Folder or tar.

    Returns
    -------
    iterator of (str, bytes)
        Stem of the file's name, and its encoded bytes; none of what cannot be read.

    Raises
    ------
    BadInput
        It is neither, or the tar is damaged.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                yield file.stem, _content(file)
    elif path.is_file():
        for member in archives.members(path, files.MAX_WEIGHTS, MAX_RATIO, "a folder or a tar of images"):
            if Path(member.name).suffix.lower() in SUFFIXES:
                yield Path(member.name).stem, member.read() if member.size <= MAX_BYTES else b""
    else:
        raise BadInput(f"{path} is neither a folder nor a tar of images")


def _content(file: Path) -> bytes:
    try:
        return files.read(file, MAX_BYTES, "a picture file")
    except BadInput:  # a pipe or a device, say
        return b""


def read_picture(content: bytes) -> Image.Image | None:
    """A picture, decoded whole.

    Parameters
    ----------
    content : bytes
        Of an image file.

    Returns
    -------
    PIL.Image.Image or None
        None where it cannot be read, such as a truncated one.
    """
    try:
        with decoded(io.BytesIO(content), "it") as picture:
            return picture
    except BadInput:
        return None


def pictures(paths: list[Path], unreadable: list[str]) -> Iterator[tuple[str, str, Image.Image]]:
    """Every image that can be read in folders and tars.

    Parameters
    ----------
    paths : list of Path
        Folders or tars.
    unreadable : list of str
        Receives the names of those that cannot be read.

    Returns
    -------
    iterator of (str, str, PIL.Image.Image)
        Stem of the file's name, its name for a person, and the picture.
    """
    for path in paths:
        for stem, content in image_files(path):
            name = f"{path.name}/{stem}"
            picture = read_picture(content)
            if picture is None:
                unreadable.append(name)
            else:
                yield stem, name, picture


def read_map(maps: dict[str, bytes], stem: str, unreadable: list[str]) -> Image.Image | None:
    """The class map of a photograph.

    Parameters
    ----------
    maps : dict of str to bytes
        Image files by the stem of their names.
    stem : str
        Of the photograph's file.
    unreadable : list of str
        Receives the name of a map that cannot be read.

    Returns
    -------
    PIL.Image.Image or None
        None where there is none that can be read.
    """
    key = stem.removeprefix("voc2012_").removesuffix("_full")
    if key not in maps:
        return None
    picture = read_picture(maps[key])
    if picture is None:
        unreadable.append(f"class map {key}")
    return picture


def left_out(unreadable: list[str]) -> str:
    """A sentence about pictures that could not be read.

    Parameters
    ----------
    unreadable : list of str
        Their names.

    Returns
    -------
    str
        Empty where there are none.
    """
    if not unreadable:
        return ""
    more = f" and {len(unreadable) - MAX_NAMED} more" if len(unreadable) > MAX_NAMED else ""
    count = f"{len(unreadable)} picture{'s' if len(unreadable) > 1 else ''}"
    return f"left out {count} that cannot be read: {', '.join(unreadable[:MAX_NAMED])}{more}"


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
    card = {
        "name": name,
        "file": path.name,
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
        # it is for whoever trained it to say
        "licence": "not stated",
    }
    text = json.dumps(card | about, indent=2) + "\n"
    files.replace(path.with_suffix(".json"), lambda stream: stream.write(text.encode()))
