# SPDX-License-Identifier: GPL-3.0-or-later
"""What PyTorch stored, as weights and plain values and nothing else.

A checkpoint is a zip of stored members, one of them a pickle. ``weights_only`` keeps the pickle from calling anything;
here it is seen to that nothing is unpacked to more than the file has.
"""

from __future__ import annotations

import importlib
import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from .. import files, plain
from ..errors import BadInput
from .arrays import Sips

MAX_PICKLE = 2**26
"""Bytes of what names and describes the tensors."""

MAX_VALUES = 2**22
"""Lists, tensors and other values in it."""

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What a file of PyTorch before 1.6 begins with, which has no table of contents."""

_LONGEST = 160  # characters that a sentence repeats


def load(paths: Sequence[Path], kind: str, remedy: str) -> Any:
    """What a checkpoint holds, on the CPU.

    Parameters
    ----------
    paths : sequence of Path
        The file, or the parts that it was cut into.
    kind : str
        What it should be, for the sentences.
    remedy : str
        What to do where it is something else.

    Returns
    -------
    object
        As it was stored, mostly a dict.

    Raises
    ------
    BadInput
        It cannot be read, is cut short, or holds more than weights.
    ImportError
        torch is not installed.
    """
    torch = importlib.import_module("torch")
    with ExitStack() as stack:
        streams = [stack.enter_context(files.opened(path, files.MAX_WEIGHTS, kind)) for path in paths]
        stream = streams[0] if len(streams) == 1 else io.BytesIO(b"".join(each.read() for each in streams))
        try:
            size = stream.seek(0, io.SEEK_END)
            _check(stream, size)
            stream.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is refused below
                state = torch.load(stream, map_location="cpu", weights_only=True)
            _check_tensors(torch, state, size)
        except BadInput:
            raise
        except Exception as error:  # of zipfile, pickle and torch, each its own
            why = plain.line(next(iter(str(error).strip().splitlines()), ""), _LONGEST) or type(error).__name__
            raise BadInput(f"{paths[0]} is no {kind.removeprefix('a ')} that can be read ({why}); {remedy}") from error
    return state


def _check(stream: IO[bytes], size: int) -> None:
    """ValueError where a file would unpack to more than it has."""
    stream.seek(0)
    if stream.read(len(_LEGACY)) == _LEGACY:
        return
    with zipfile.ZipFile(Sips(stream)) as archive:
        members = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in members):
        raise ValueError("it is compressed")
    if sum(info.file_size for info in members) > size:
        raise ValueError("it says that it holds more than it has")
    if any(info.filename.endswith("data.pkl") and info.file_size > MAX_PICKLE for info in members):
        raise ValueError(f"its names and values take more than {MAX_PICKLE:,} bytes")


def _check_tensors(torch: Any, state: Any, size: int) -> None:
    """ValueError where a tensor is no table of numbers that stand in the file: it may say that it is of any size."""
    for value in _values(state):
        if isinstance(value, torch.Tensor) and (
            value.layout != torch.strided
            or value.device.type != "cpu"
            or max(value.numel() * value.element_size(), value.untyped_storage().nbytes()) > size
        ):
            raise ValueError(f"a tensor of {tuple(value.shape)} in {size:,} bytes")


def _values(state: Any) -> Iterator[Any]:
    """Every value, once, wherever it stands."""
    seen, waiting = set(), [state]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if len(seen) > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES:,} values")
        yield value
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
