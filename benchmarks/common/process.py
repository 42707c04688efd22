# SPDX-License-Identifier: GPL-3.0-or-later
"""What this process holds."""

from __future__ import annotations

from pathlib import Path


def resident_mb(process: int | str = "self") -> float:
    """Resident memory, MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


def threads() -> int:
    """Threads, those of libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))
