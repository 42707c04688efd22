# SPDX-License-Identifier: GPL-3.0-or-later
"""What the assertions in ``grc/`` ask about the texts in a block's fields, before a flowgraph runs.

GNU Radio Companion evaluates assertions whenever a field changes: nothing here loads networks, computes a hash, opens
a device or raises. It runs a flowgraph in the folder of the ``.grc`` file, which assertions are not told: a relative
path is no mistake.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .. import files, keys, recording
from ..errors import BadInput, Missing
from ..schemes import schemes
from ..schemes.digital import parse_mcs
from ..schemes.esisc import SceneOptions
from ..segment import backends, parse_prompt, split_prompts
from ..zoo import weights
from .radio import parse_via

_PAIR, _SIGMF = "onnx:", "sigmf"


def _passes(check: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a check of the package raises nothing."""
    try:
        check(*arguments)
    except (BadInput, Missing):
        return False
    return True


def _is_relative(path: str) -> bool:
    return not files.named(path).is_absolute()


def _mode(path: str) -> int | None:
    """File type and permissions; None where nothing is."""
    try:
        return files.named(path).stat().st_mode
    except (OSError, ValueError):  # a null byte
        return None


def is_there(path: str) -> bool:
    """Whether a path is empty, relative, or that of a file or folder.

    Parameters
    ----------
    path : str
        As a field has it.
    """
    return not path or _is_relative(path) or _mode(path) is not None


def is_key(path: str) -> bool:
    """Whether a path is empty, relative, or that of a key file.

    Parameters
    ----------
    path : str
        As a field has it.
    """
    return not path or _is_relative(path) or _passes(keys.read, path)


def is_folder(path: str) -> bool:
    """Whether files can be written into a folder, which is made where it is not there; true for an empty path.

    Parameters
    ----------
    path : str
        As a field has it.
    """
    if not path or _is_relative(path):
        return True
    where = files.named(path)
    there = next((each for each in (where, *where.parents) if _mode(each) is not None), where)
    return stat.S_ISDIR(_mode(there) or 0) and os.access(there, os.W_OK | os.X_OK)


def is_file_to_write(path: str) -> bool:
    """Whether a file can be written; true for an empty path.

    Parameters
    ----------
    path : str
        As a field has it.
    """
    if not path or _is_relative(path):
        return True
    mode = _mode(path)
    if mode is None:
        return is_folder(os.path.dirname(files.named(path)))
    return stat.S_ISREG(mode) and os.access(files.named(path), os.W_OK)


def is_via(via: str) -> bool:
    """Whether a text says which way samples go, ``KIND:REST``.

    Parameters
    ----------
    via : str
        As a field has it.
    """
    return _passes(parse_via, via)


def is_recording_to_write(via: str) -> bool:
    """Whether a recording can be written where ``sigmf:FILE`` says; true for all other ways.

    Parameters
    ----------
    via : str
        As a field has it.
    """
    kind, _, name = via.partition(":")
    return kind != _SIGMF or not name or all(is_file_to_write(str(path)) for path in recording.paths(name))


def is_recording(via: str) -> bool:
    """Whether the recording is there that ``sigmf:FILE`` names; true for all other ways.

    Parameters
    ----------
    via : str
        As a field has it.
    """
    kind, _, name = via.partition(":")
    return kind != _SIGMF or any(map(is_there, (name, f"{name}.sigmf", f"{name}.sigmf-meta")))


def are_prompts(prompts: str) -> bool:
    """Whether a text is prompts that are separated by semicolons; none is no mistake.

    Parameters
    ----------
    prompts : str
        As a field has it.
    """
    return _passes(lambda: [parse_prompt(each) for each in split_prompts(prompts)])


def is_mcs(mcs: str | int) -> bool:
    """Whether there is an MCS of this index; ``auto`` is one, too.

    Parameters
    ----------
    mcs : str or int
        As a field has it.
    """
    return _passes(parse_mcs, mcs)


def is_protection(protection: str) -> bool:
    """Whether a text says how the sections of a scene are protected: ``auto``, or three MCS.

    Parameters
    ----------
    protection : str
        As a field has it.
    """
    return _passes(lambda: SceneOptions(protection=protection))


@lru_cache(maxsize=256)
def _is_here(folders: tuple[tuple[str, int], ...], scheme: str, variant: str) -> bool:
    """Whether weights of a scheme, or of a SAM where it is none, lie in the folders as they were at that time."""
    known = schemes().get(scheme)
    if known is None:
        return backends.is_here(variant)
    found = known.variants()
    return variant in found if variant else bool(found)


def _lie_here(scheme: str, variant: str) -> bool:
    """As :func:`_is_here`, now; cards are read again when a folder has changed."""
    try:
        folders = tuple((str(folder), folder.stat().st_mtime_ns) for folder in weights.folders())
        return _is_here(folders, scheme, variant)
    except (Missing, OSError):
        return False


def is_sam(model: str) -> bool:
    """Whether a text names a Segment Anything Model whose files are here.

    Parameters
    ----------
    model : str
        As a field has it.
    """
    if model in backends.NAMES:
        return _lie_here("", model)
    parts = [part.strip() for part in model.split(",")]
    return any(map(_is_relative, parts)) or _passes(backends.checked, model)


def is_scheme(scheme: str) -> bool:
    """Whether two ONNX files that a scheme names are here; a name may be registered when the flowgraph starts.

    Parameters
    ----------
    scheme : str
        As a field has it.
    """
    if not scheme.startswith(_PAIR):
        return True
    pair = [file.strip() for file in scheme.removeprefix(_PAIR).split(",")]
    return len(pair) == 2 and all(file and is_there(file) for file in pair)


def has_weights(scheme: str, variant: str) -> bool:
    """Whether weights of a scheme are here; true for schemes without weights and those that are not known.

    Parameters
    ----------
    scheme : str
        As a field has it.
    variant : str
        Of the weights; empty for the usual one.
    """
    return scheme not in schemes() or _lie_here(scheme, variant)
