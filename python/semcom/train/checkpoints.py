# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a training's state: written whole or not at all, and small enough to be carried."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..errors import BadInput, SemcomError
from ..zoo import checkpoint

CHECKPOINT = "last.pt"
BEST = "best.pt"
AVERAGES = "averages.pt"
REMEDY = "move it away or choose another folder"
_NUMBER = re.compile("[1-9][0-9]{0,3}")  # of a part
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
        # what a killed run left there, or a link that somebody put there
        unfinished.unlink(missing_ok=True)
        with unfinished.open("xb") as file:
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
    parts = [path] if path.exists() or not _parts(path) else _parts(path)
    state = checkpoint.load(parts, "a checkpoint", REMEDY)
    if not isinstance(state, dict):
        raise BadInput(f"{path} is no checkpoint that can be read (it has no names); {REMEDY}")
    return state


def averaged(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The averaged weights of a checkpoint.

    Parameters
    ----------
    state : dict of str to object
        The checkpoint.

    Returns
    -------
    dict of str to torch.Tensor
        As the network's ``load_state_dict`` takes them.

    Raises
    ------
    BadInput
        There are none.
    """
    found = state.get("ema")
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BadInput(f"this checkpoint holds no averaged weights; {REMEDY}")
    return {name.removeprefix("module."): value for name, value in found.items() if name.startswith("module.")}


def _parts(path: Path) -> list[Path]:
    """``NAME.1``, ``NAME.2`` and so on."""
    found = [part for part in path.parent.glob(f"{glob.escape(path.name)}.*") if _NUMBER.fullmatch(part.suffix[1:])]
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
    elif _NUMBER.fullmatch(path.suffix[1:]):
        path = path.with_suffix("")
    if not path.exists() and not _parts(path):
        raise BadInput(f"{path} is not there; give averages.pt, a checkpoint or the folder of one", field="from")
    state = read(path)
    if "weights" not in state and "ema" not in state:
        raise BadInput(f"{path} holds no weights; give averages.pt, a checkpoint or the folder of one", field="from")
    weights = state.get("weights") or averaged(state)
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise BadInput(f"{path} holds no weights by name; give averages.pt, a checkpoint or its folder", field="from")
    weights = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    about = {key: state.get(key) for key in ("scheme", "step")} | {"options": state.get("options", {})}
    return about | {"file": f"{path.parent.name}/{path.name}", "weights": weights}
