# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, one module a paper, named as the papers name them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ... import own
from ...errors import BadInput
from ..network import Network, coder_of
from .deepjscc import DeepJSCC
from .samsc import SAMSC
from .semcom import Semcom
from .witt import WITT

NETWORKS = {"samsc": SAMSC, "deepjscc": DeepJSCC, "witt": WITT, "semcom": Semcom}

__all__ = ["NETWORKS", "SAMSC", "WITT", "DeepJSCC", "Semcom", "class_of", "network"]


def class_of(scheme: str, folder: Path | None = None) -> Callable[..., Network]:
    """What makes a network.

    Parameters
    ----------
    scheme : str
        A key of ``NETWORKS``, or ``FILE.py:CLASS`` of one's own.
    folder : Path, optional
        Where FILE.py lies.

    Returns
    -------
    callable
        A class, or what wraps one.

    Raises
    ------
    BadInput
        There is no such network.
    Missing
        The file of one's own is not here.
    """
    if scheme in NETWORKS:
        return NETWORKS[scheme]
    if own.split(scheme) is not None:
        return coder_of(str(folder / scheme) if folder else scheme)
    raise BadInput(
        f"{scheme} is not a trainable scheme; choose one of {', '.join(NETWORKS)}, or FILE.py:CLASS of your own"
    )


def network(scheme: str, arguments: dict[str, Any] | None = None, folder: Path | None = None) -> Network:
    """A network of random weights.

    Parameters
    ----------
    scheme : str
        See :func:`class_of`.
    arguments : dict of str to object, optional
        Of the class.
    folder : Path, optional
        Where FILE.py lies.

    Returns
    -------
    Network
        A new one.

    Raises
    ------
    BadInput
        No such network, or arguments that it does not have.
    Missing
        The file of one's own is not here.
    """
    arguments = arguments or {}
    made = class_of(scheme, folder)
    known = inspect.signature(made).parameters
    for name in arguments:
        if name not in known and not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            have = f"it has {', '.join(known)}" if known else "it has none"
            raise BadInput(f"{name} is not a setting of {scheme}; {have}", field="set")
    try:
        return made(**arguments)
    except BadInput:
        raise
    except Exception as error:  # whatever somebody's own class raises
        told = ", ".join(f"{name}={value}" for name, value in arguments.items()) or "no settings"
        raise BadInput(f"{scheme} cannot be made with {told}: {type(error).__name__}: {error}") from error
