# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schemes have in common that are an encoder and a decoder network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..burst import BurstHeader
from ..errors import BadInput
from .base import SymbolScheme
from .options import Options, option

USUAL_VARIANT = "original"


@dataclass(frozen=True)
class NetworkOptions(Options):
    """Options of a coder that has weights.

    Attributes
    ----------
    variant : str
        Of the weights; empty for the usual one.
    """

    variant: str = option(
        "", "which weights are used, by the name they were exported under", label="Trained on", several=True
    )


class NetworkScheme(SymbolScheme):
    """A joint coder whose weights lie in the zoo as ``NAME_VARIANT_encoder`` and ``NAME_VARIANT_decoder``.

    Attributes
    ----------
    fixed_rate : int or None
        The ``rate`` field of every header, where the networks have one latent of one size.
    """

    Options = NetworkOptions
    trains_with = frozenset({"masks", "export"})
    fixed_rate: ClassVar[int | None] = None

    def variants(self) -> dict[str, int]:
        """Those that ship, and one's own in the folders of weights; "original" first."""
        from ..jscc.neural import variants

        known = variants(self.name)
        return dict(sorted(known.items(), key=lambda item: (item[0] != USUAL_VARIANT, item[0])))

    def missing(self) -> str:
        """How to train some."""
        from ..jscc.neural import without_weights

        return without_weights(self.name)

    def check_header(self, header: BurstHeader) -> None:
        """Refuse another rate than the networks have."""
        super().check_header(header)
        if self.fixed_rate is not None and header.rate != self.fixed_rate:
            raise BadInput(f"a header says rate {header.rate}, but {self.name} has only {self.fixed_rate}")
