# SPDX-License-Identifier: GPL-3.0-or-later
"""The C++ kernels, loaded on first use: training and plain image work do without the build."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

from ..errors import Missing


@lru_cache(maxsize=1)
def kernels() -> ModuleType:
    """The module ``semcom_kernels``; Missing when it was not built."""
    try:
        return importlib.import_module("..semcom_kernels", __package__)
    except ModuleNotFoundError:
        raise Missing("the C++ part of gr-semcom is not built here; run ./bootstrap build") from None
