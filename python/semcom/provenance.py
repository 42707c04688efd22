# SPDX-License-Identifier: GPL-3.0-or-later
"""Where figures are measured: by what, and on what."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from . import __version__


def processor() -> str:
    """Name of the processor.

    Returns
    -------
    str
        As Linux tells it, or else its architecture.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str | None:
    """The commit that this installation was built from, ``-dirty`` where files differed from it.

    Returns
    -------
    str or None
        None where it was not built in a checkout.
    """
    try:
        from ._built import COMMIT
    except ImportError:
        return None
    return COMMIT or None


def provenance() -> dict[str, Any]:
    """What a record of figures says of where it was measured.

    Returns
    -------
    dict
        ``machine``, ``processor``, ``cores``, ``commit`` and ``version``.
    """
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit(),
        "version": __version__,
    }
