# SPDX-License-Identifier: GPL-3.0-or-later
"""Joint source-channel coders: images to channel symbols and back, NumPy in and out."""

from __future__ import annotations

from ..errors import BadInput
from .coder import Coder, channels_for, snr_field, symbol_count
from .symbols import (
    SCHEME_NAMES,
    SCHEMES,
    ImageHeader,
    ImageSymbols,
    check_header,
    check_size,
    fragment_length,
    fragments_needed,
    join,
    split,
)

AVAILABLE = ("softcast", "samsc", "semcom")  # with weights that ship
TRAINABLE = ("deepjscc", "witt")  # with weights of one's own
_CHOICE = ", ".join(AVAILABLE[:-1]) + " or " + AVAILABLE[-1]


def check_scheme(scheme: str) -> None:
    """Refuse a scheme that is unknown or not a joint coder of this version."""
    if scheme in AVAILABLE + TRAINABLE:
        return
    if scheme in SCHEMES:
        raise BadInput(f"scheme {scheme} is not part of this version yet; choose {_CHOICE}")
    raise BadInput(f"there is no scheme {scheme!r}; choose {_CHOICE}")


def coder(scheme: str, variant: str = "original") -> Coder:
    """The coder of a scheme, its weights loaded on first use.

    variant : of the weights of all but ``softcast``: "original", of ``samsc`` also "masked", or one's own.

    Raises
    ------
    BadInput : a scheme that is unknown or not part of this version.
    Missing : its weights, or ONNX Runtime, are not here.
    """
    check_scheme(scheme)
    if scheme == "softcast":
        from .softcast import softcast

        return softcast()
    if scheme == "semcom":
        from .semcom import semcom

        return semcom(variant)
    if scheme == "samsc":
        from .samsc import samsc

        return samsc(variant)
    from .neural import latent_coder

    return latent_coder(scheme, variant)


__all__ = [
    "AVAILABLE",
    "SCHEMES",
    "SCHEME_NAMES",
    "TRAINABLE",
    "Coder",
    "ImageHeader",
    "ImageSymbols",
    "channels_for",
    "check_header",
    "check_scheme",
    "check_size",
    "coder",
    "fragment_length",
    "fragments_needed",
    "join",
    "snr_field",
    "split",
    "symbol_count",
]
