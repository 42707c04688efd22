# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person wrote in a Python file of their own, named ``FILE.py:NAME``."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from importlib.abc import Loader
from pathlib import Path
from types import ModuleType
from typing import Any

from . import files, plain
from .errors import BadInput, Missing

SUFFIX = ".py"
MAX_SOURCE = 2**22
"""Bytes of a Python file."""

_LONGEST = 200  # characters that a sentence repeats of what somebody's file says


def split(text: str) -> tuple[Path, str] | None:
    """File and name of ``FILE.py:NAME``; None for a text that is something else.

    Parameters
    ----------
    text : str
        Such as ``my_coder.py:MyCoder``.

    Returns
    -------
    (Path, str) or None
        The file need not be there.
    """
    file, separator, name = text.rpartition(":")
    if not separator or not file.endswith(SUFFIX):
        return None
    return files.named(file), name


def load(text: str) -> Any:
    """The object of that name in that file, which is run.

    Parameters
    ----------
    text : str
        ``FILE.py:NAME``.

    Returns
    -------
    object
        What the file calls NAME.

    Raises
    ------
    BadInput
        The text is something else, the file does not run, or has nothing of that name.
    Missing
        The file, or a module that it imports, is not here.
    """
    found = split(text)
    if found is None:
        raise BadInput(f"{text!r} names no file and object; write FILE.py:NAME")
    file, name = found
    if not file.is_file():
        raise Missing(f"there is no file {file}; give the path of the one that has {name or 'what is meant'}")
    module = _module(file.resolve(), files.read(file, MAX_SOURCE, "a Python file"))
    if not hasattr(module, name):
        public = ", ".join(sorted(each for each, value in vars(module).items() if _is_of(module, each, value)))
        raise BadInput(f"{file} has no {name or 'name after the colon'}; it has {public or 'nothing of its own'}")
    return getattr(module, name)


def _is_of(module: ModuleType, name: str, value: Any) -> bool:
    return callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__


class _Source(Loader):
    """What runs a file of which no more was read than a program can have; nothing compiled is left beside it."""

    def __init__(self, source: bytes):
        self._source = source

    def exec_module(self, module: ModuleType) -> None:
        """Run it."""
        exec(compile(self._source, module.__spec__.origin, "exec", dont_inherit=True), vars(module))


@lru_cache(maxsize=32)
def _module(file: Path, source: bytes) -> ModuleType:
    """The module of a file, run once for each of its versions."""
    spec = importlib.util.spec_from_loader(file.stem, _Source(source), origin=str(file))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    folder = str(file.parent)
    # what it imports may lie beside it
    if folder not in sys.path:
        sys.path.append(folder)
    before = sys.modules.get(file.stem)
    # dataclasses and pickle look a class's module up by name
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(file.stem)
        if before is not None:
            sys.modules[file.stem] = before
        if isinstance(error, ModuleNotFoundError):
            raise Missing(f"{file} imports {error.name}, which is not here; install it") from None
        if isinstance(error, Exception):
            raise BadInput(f"{file} does not run: {reason(error, file)}") from error
        if isinstance(error, SystemExit):
            raise BadInput(f"{file} ends the program instead of defining something") from None
        raise
    return module


def reason(error: Exception, file: str | Path) -> str:
    """What went wrong in somebody's file, in one line.

    Parameters
    ----------
    error : Exception
        What was raised.
    file : str or Path
        Where the cause is looked for.

    Returns
    -------
    str
        Class and text of the exception, and the last line of the file that was at work.
    """
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    text = error.msg if isinstance(error, SyntaxError) else (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {plain.line(text, _LONGEST)}" + (f" (line {line})" if line else "")
