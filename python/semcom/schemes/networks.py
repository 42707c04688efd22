# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schemes have in common that are an encoder and a decoder network."""

from __future__ import annotations

from dataclasses import dataclass

from ..burst import ImageHeader
from ..jscc.coder import symbol_count
from ..zoo.weights import USUAL_VARIANT
from .base import SymbolScheme
from .options import Options, option

VARIANT_WORDS = {
    "": "Usual",
    "original": "Whole images",
    "masked": "Masked images",
    "perceptual": "Whole images, for the eye (semcom)",
}


@dataclass(frozen=True)
class NetworkOptions(Options):
    """Options of a coder that has weights.

    Attributes
    ----------
    variant : str
        Of the weights; empty for the usual one.
    """

    variant: str = option(
        "",
        "which weights are used, by the name they were exported under",
        label="Trained on",
        words=VARIANT_WORDS,
        several=True,
    )


class NetworkScheme(SymbolScheme):
    """A joint coder whose weights lie in the zoo as ``NAME_VARIANT_encoder`` and ``NAME_VARIANT_decoder``."""

    Options = NetworkOptions
    trains_with = frozenset({"masks", "export"})

    def variants(self) -> dict[str, int]:
        """Those that ship, and one's own in the folders of weights; "original" first."""
        from ..jscc.neural import variants

        known = variants(self.name)
        return dict(sorted(known.items(), key=lambda item: (item[0] != USUAL_VARIANT, item[0])))

    def decodes(self, sent: str, variant: str) -> bool:
        """Where both have one encoder."""
        from ..jscc.neural import same_encoder

        return same_encoder(self.name, sent, variant)

    def missing(self) -> str:
        """How to train some."""
        from ..jscc.neural import without_weights

        return without_weights(self.name)


class FixedRateScheme(NetworkScheme):
    """A coder whose networks have one latent of one width: how wide says the encoder network itself."""

    # of k/n = 1/12 a symbol for 4 pixels is sent
    pixels_per_symbol = 8

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """See :meth:`~.base.Scheme.symbols`; another rate than that of the networks is refused."""
        self.coder(variant).check_header(header)
        return symbol_count(header)
