# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``semcom doctor`` looks at."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator

import numpy as np

from ..zoo import weights

Finding = tuple[str, bool, str]


def examine() -> Iterator[Finding]:
    """(part, in order, what was found or what to do)."""
    yield "Python", sys.version_info >= (3, 11), sys.version.split()[0]
    fits = np.__version__.startswith("1.")
    yield "NumPy", fits, np.__version__ if fits else f"{np.__version__}: GNU Radio 3.10.5 needs numpy<2"
    yield _gnuradio()
    yield _bindings()
    for package in ("onnxruntime", "PIL", "distributed", "matplotlib"):
        here = importlib.util.find_spec(package) is not None
        yield package, here, "found" if here else "missing: run ./bootstrap build"
    for tool, command in (("grcc", "./bootstrap build"), ("gnuradio-companion", "./bootstrap build")):
        where = shutil.which(tool)
        yield tool, where is not None, where or f"missing: run {command}"
    blocks = os.path.join(sys.prefix, "share", "gnuradio", "grc", "blocks", "semcom_jscc_encoder.block.yml")
    listed = os.path.exists(blocks)
    yield "GRC blocks", listed, os.path.dirname(blocks) if listed else "missing: run ./bootstrap build"
    for entry, path in weights.inventory():
        if entry.optional and path is None:
            continue
        yield f"weights {entry.name}", path is not None, str(path) if path else "missing: run semcom models fetch"


def _gnuradio() -> Finding:
    try:
        from gnuradio import gr
    except ImportError as error:
        return "GNU Radio", False, f"does not load: {error}"
    return "GNU Radio", True, gr.version()


def _bindings() -> Finding:
    try:
        from .. import semcom_python
    except ImportError as error:
        return "C++ blocks", False, f"do not load: {error}"
    return "C++ blocks", True, str(semcom_python.__file__)
