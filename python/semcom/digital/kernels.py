# SPDX-License-Identifier: GPL-3.0-or-later
"""The C++ kernels, loaded on first use: training and plain image work do without them."""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..errors import Missing

# of the whole module, and of `pip install`, which compiles what needs no GNU Radio
_MODULES = ("semcom_kernels", "semcom_kernels_alone")


@lru_cache(maxsize=1)
def kernels() -> ModuleType:
    """The module of the kernels.

    Returns
    -------
    ModuleType
        ``semcom_kernels``, or ``semcom_kernels_alone``, which has all of it but ``conv_code``.

    Raises
    ------
    Missing
        Neither was built.
    """
    for name in _MODULES:
        with suppress(ModuleNotFoundError):
            return importlib.import_module(f"..{name}", __package__)
    raise Missing(
        "the C++ kernels of gr-semcom are not built here; run ./bootstrap build, or pip install . where there are a "
        "C++ compiler and Python's headers"
    )


def conv_code(info_bits: int, coded_bits: int, puncturing: int) -> Any:
    """A convolutional code, whose coder and decoder are GNU Radio's.

    Parameters
    ----------
    info_bits, coded_bits : int
        Bits in and out.
    puncturing : int
        2, 3 or 4 for rates 1/2, 2/3 or 3/4.

    Returns
    -------
    conv_code
        Of ``semcom_kernels``.

    Raises
    ------
    Missing
        The kernels were built without GNU Radio, or not at all.
    """
    made = getattr(kernels(), "conv_code", None)
    if made is None:
        raise Missing(
            "convolutional codes need GNU Radio, which pip does not install; choose an MCS with LDPC, 0 to 31"
        )
    return made(info_bits, coded_bits, puncturing)
