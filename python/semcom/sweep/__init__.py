# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps over SNR, channel, channel knowledge and rate at symbol level, and figures of what they measured."""

from __future__ import annotations

from .executors import Executor, dask_cluster, dask_workers, in_process
from .run import Outcome, sweep
from .settings import SweepSettings, parse_rates, parse_snrs

__all__ = [
    "Executor",
    "Outcome",
    "SweepSettings",
    "dask_cluster",
    "dask_workers",
    "in_process",
    "parse_rates",
    "parse_snrs",
    "sweep",
]
