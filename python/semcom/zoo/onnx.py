# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX Runtime sessions that share a machine politely with a flowgraph."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files
from ..errors import BadInput, Missing
from . import graph

if TYPE_CHECKING:
    import onnxruntime

# metadata of a decoder: at which power it takes the latent; without it, at that which the encoder gave
POWER, UNIT, AS_ENCODED = "power", "unit", "as encoded"

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


_max_threads: int | None = None


def limit_threads(most: int | None) -> None:
    """Cap what any later ``session`` of this process may ask for.

    For worker processes that share a machine: one thread each.

    Parameters
    ----------
    most : int or None
        None lifts the cap.
    """
    global _max_threads
    _max_threads = most


def session(
    path: str | Path, threads: int = 2, provider: str = "cpu", edit: Callable[[bytes], bytes] | None = None
) -> onnxruntime.InferenceSession:
    """The session of one model file; asking again for the same file and settings returns the same session.

    ``run`` of a session may be called from several threads at once, and releases the GIL.

    Parameters
    ----------
    path : str or Path
        File name of an ONNX model.
    threads : int, default 2
        Threads that one ``run`` may use, at least 1; see ``limit_threads``.
    provider : str, default "cpu"
        ``cpu`` or ``cuda``.
    edit : callable, optional
        Makes another model of the file's bytes, which is loaded in its place; the same function each time.

    Returns
    -------
    onnxruntime.InferenceSession
        Shared by all who ask for the same.

    Raises
    ------
    BadInput
        An unknown provider, a thread count below 1, or a file that is not a model.
    Missing
        ONNX Runtime or the model file is not there, or CUDA was asked for and is not available.
    """
    if provider not in _PROVIDERS:
        raise BadInput(f"unknown provider {provider!r}; use one of {', '.join(_PROVIDERS)}")
    if threads < 1:
        raise BadInput(f"a model needs at least 1 thread, not {threads}")
    if _max_threads is not None:
        threads = min(threads, _max_threads)
    path = files.resolved(path)
    try:
        stat = path.stat()
    except OSError:
        raise Missing(f"the model {path} is not here; run `semcom models fetch`") from None
    return _session(path, stat.st_size, stat.st_mtime_ns, threads, provider, edit)


def takes_unit_power(decoder: onnxruntime.InferenceSession) -> bool:
    """Whether a decoder network takes the latent at unit power, as it says itself.

    Parameters
    ----------
    decoder : onnxruntime.InferenceSession
        The network.

    Returns
    -------
    bool
        False where it says nothing.
    """
    return decoder.get_modelmeta().custom_metadata_map.get(POWER) == UNIT


def _check(path: Path) -> None:
    """Refuse a file that is no model, or of which not all is in it."""
    with files.opened(path, files.MAX_WEIGHTS, "an ONNX file") as stream:
        if not os.fstat(stream.fileno()).st_size:
            raise BadInput(f"{path.name} is not a model that ONNX Runtime can load: it is empty")
        # mapped, and for as long as anything looks at it: it may have gigabytes
        try:
            graph.check(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)))
        except BadInput as error:
            raise BadInput(f"{path.name} is not a model that ONNX Runtime can load: {error}") from None


@lru_cache(maxsize=16)
def _session(
    path: Path, size: int, mtime_ns: int, threads: int, provider: str, edit: Callable[[bytes], bytes] | None
) -> onnxruntime.InferenceSession:
    # size and time are part of the key: a file that was replaced is loaded again
    # builds from 1.29 on tell their maker about models and errors, unless they are told not to before they are loaded
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise Missing(
            f"ONNX Runtime cannot be imported ({error}); run `./bootstrap build` or `pip install '.[cpu]'`"
        ) from error
    wanted = _PROVIDERS[provider]
    if wanted not in onnxruntime.get_available_providers():
        raise Missing(f"this ONNX Runtime has no {provider.upper()}; run `pip install '.[gpu]'` or use provider cpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # an arena keeps the most that a network ever took, each its own
    options.enable_cpu_mem_arena = False
    # idle worker threads would otherwise spin and starve the flowgraph's blocks
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        _check(path)
        model = edit(files.read(path, files.MAX_WEIGHTS)) if edit else str(path)
        made = onnxruntime.InferenceSession(model, options, providers=[wanted])
    except BadInput:
        raise
    except Exception as error:  # the runtime's own exception classes are private to its C++ binding
        raise BadInput(f"{path.name} is not a model that ONNX Runtime can load; run `semcom models fetch`") from error
    # a CUDA library that fails to load makes the runtime fall back to the CPU without an error
    if made.get_providers()[0] != wanted:
        raise Missing(f"{provider.upper()} was asked for, but ONNX Runtime fell back to the CPU; use provider cpu")
    return made
