# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of a process that runs for months."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # of glibc's malloc.h


def keep_steady(arenas: int = 2) -> None:
    """Let the C library's allocator have so few arenas that memory does not grow for want of reuse.

    glibc gives threads arenas of their own, up to eight for each core, and each keeps the most that was ever in use in
    it. A process whose flowgraphs, with a thread for each block, come and go so grows for hours although nothing is
    leaked. Large arrays are in no arena, so that this costs no time. Another C library is left as it is.

    Parameters
    ----------
    arenas : int, default 2
        At most.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, arenas)
