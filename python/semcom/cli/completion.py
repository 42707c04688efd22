# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shell offers for the values of options, from the registry and from the modules that know them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import schemes

Values = Callable[[str], list[str]]


def among(known: Iterable[str] | Callable[[], Iterable[str]], several: bool = False) -> Values:
    """What completes a value.

    Parameters
    ----------
    known : iterable of str or callable
        All values; a callable is asked when the shell asks.
    several : bool
        Whether values are listed with commas; the last is completed.

    Returns
    -------
    callable
        Takes what is typed so far, gives what it can become.
    """

    def values(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
        everything = known() if callable(known) else known
        return [f"{before}{comma}{each}" for each in everything if each.startswith(begun)]

    return values


def scheme_names() -> list[str]:
    """Schemes that are known, those that were trained here included, and how files are named."""
    return [*schemes.names(), *schemes.trained(), "onnx:"]


def variant_names(of: Iterable[str] | None = None) -> list[str]:
    """Variants of the weights that are here, of the schemes of these names or of all."""
    known = schemes.schemes()
    return sorted({variant for name in of or known for variant in known[name].variants() if variant})


def weights_names() -> list[str]:
    """Names of all files of weights."""
    from ..zoo import weights

    return sorted(weights.registry())
