# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, one module a paper, named as the papers name them."""

from .deepjscc import DeepJSCC
from .samsc import SAMSC
from .semcom import Semcom
from .witt import WITT

NETWORKS = {"samsc": SAMSC, "deepjscc": DeepJSCC, "witt": WITT, "semcom": Semcom}

__all__ = ["NETWORKS", "SAMSC", "WITT", "DeepJSCC", "Semcom"]
