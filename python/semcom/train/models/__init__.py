# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, one module a paper, named as the papers name them."""

from .samsc import SAMSC
from .semcom import Semcom

NETWORKS = {"samsc": SAMSC, "semcom": Semcom}

__all__ = ["NETWORKS", "SAMSC", "Semcom"]
