# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a training's state: written whole or not at all, and small enough to be carried."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .. import files
from ..errors import BadInput, SemcomError

CHECKPOINT = "last.pt"
BEST = "best.pt"
AVERAGES = "averages.pt"
MAX_PART = 15 * 2**20  # bytes of a file that is to be carried


def replace(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    write : callable
        Takes the open file.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise SemcomError(f"{path} cannot be written: {error.strerror or error}; make room and start again") from None


def read(path: Path) -> dict[str, Any]:
    """A file that a training wrote, all its parts together.

    Parameters
    ----------
    path : Path
        The file, or of one in parts the name without their numbers.

    Returns
    -------
    dict of str to object
        The state.

    Raises
    ------
    BadInput
        It cannot be read.
    """
    try:
        parts = [path] if path.exists() else _parts(path)
        content = b"".join(files.read(part, files.MAX_WEIGHTS, "a checkpoint") for part in parts)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        raise BadInput(f"{path} is no checkpoint that can be read; move it away or choose another folder") from None


def _parts(path: Path) -> list[Path]:
    """``NAME.1``, ``NAME.2`` and so on."""
    found = [part for part in path.parent.glob(f"{path.name}.*") if part.suffix[1:].isdigit()]
    return sorted(found, key=lambda part: int(part.suffix[1:]))


def write_averages(folder: Path, about: dict[str, Any], averages: dict[str, torch.Tensor]) -> None:
    """Write ``averages.pt``: averaged weights as float16; in ``averages.pt.1`` and so on where it would be too large.

    Parameters
    ----------
    folder : Path
        Of the training.
    about : dict of str to object
        Scheme, options, step and seconds.
    averages : dict of str to torch.Tensor
        State of the average, as ``torch.optim.swa_utils.AveragedModel`` has it.
    """
    weights = {}
    for name, value in averages.items():
        if name.startswith("module."):
            half = value.half() if value.is_floating_point() else value
            # what float16 cannot hold stays as it is
            weights[name.removeprefix("module.")] = half if half.isfinite().all() else value
    file = io.BytesIO()
    torch.save(about | {"weights": weights}, file)
    content, path = file.getvalue(), folder / AVERAGES
    if len(content) <= MAX_PART:
        replace(path, lambda file: file.write(content))
        return
    for number, start in enumerate(range(0, len(content), MAX_PART), 1):
        part = content[start : start + MAX_PART]
        replace(folder / f"{AVERAGES}.{number}", lambda file, part=part: file.write(part))


def read_weights(path: Path) -> dict[str, Any]:
    """Averaged weights of a training to start another from.

    Parameters
    ----------
    path : Path
        ``averages.pt`` or one of its parts, a checkpoint, or a folder, of which the averages are taken before the best
        checkpoint, and that before the last.

    Returns
    -------
    dict of str to object
        Name of the ``file``, ``scheme``, ``options``, ``step``, and ``weights`` in single precision.

    Raises
    ------
    BadInput
        There are none.
    """
    if path.is_dir():
        names = [path / name for name in (AVERAGES, BEST, CHECKPOINT)]
        path = next((name for name in names if name.exists() or _parts(name)), path / AVERAGES)
    elif path.suffix[1:].isdigit():
        path = path.with_suffix("")
    if not path.exists() and not _parts(path):
        raise BadInput(f"{path} is not there; give averages.pt, a checkpoint or the folder of one", field="from")
    state = read(path)
    if "weights" not in state and "ema" not in state:
        raise BadInput(f"{path} holds no weights; give averages.pt, a checkpoint or the folder of one", field="from")
    weights = state.get("weights") or {
        name.removeprefix("module."): value for name, value in state["ema"].items() if name.startswith("module.")
    }
    weights = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    about = {key: state.get(key) for key in ("scheme", "step")} | {"options": state.get("options", {})}
    return about | {"file": f"{path.parent.name}/{path.name}", "weights": weights}
