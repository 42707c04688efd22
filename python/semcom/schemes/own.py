# SPDX-License-Identifier: GPL-3.0-or-later
"""Coders of one's own: classes in a file, which ``semcom train FILE.py:CLASS`` trains and exports."""

from __future__ import annotations

import zlib

from .. import own
from ..burst import ImageHeader
from ..errors import BadInput, Missing
from ..jscc.coder import Coder
from ..zoo import weights
from .base import Scheme
from .networks import NetworkScheme

OWN_CODES = range(128, 254)  # of the burst header, for schemes of one's own


class OwnCoder(NetworkScheme):
    """The coder whose weights lie as ``NAME_VARIANT_encoder`` and ``NAME_VARIANT_decoder`` in the folders of weights.

    Its class is not needed: stride, width and conditions are learned from the networks, as those of
    :class:`~..jscc.pair.PairCoder` are.

    Parameters
    ----------
    name : str
        Of the class.
    """

    title = "A coder of your own"
    reference = "yours"
    trains_with = None

    def __init__(self, name: str):
        self.name = name
        # both ends make the same of the name, so that a receiver knows whose bursts these are
        self.code = OWN_CODES[zlib.crc32(name.encode()) % len(OWN_CODES)]

    def coder(self, variant: str) -> Coder:
        """Both networks of a variant."""
        from ..jscc import neural
        from ..jscc.pair import pair_coder

        return pair_coder(*neural.files(self.name, variant), self.name)

    def check_rate(self, rate: float | None, options: object) -> None:
        """The networks have one rate, which they name themselves."""
        self.coder(self.variant(options)).check_rate(rate)

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """As many as the latent of these networks has."""
        return self.coder(variant).symbol_count(header)


def trained() -> dict[str, OwnCoder]:
    """The coders of one's own whose weights are here, by name."""
    return {entry.scheme: OwnCoder(entry.scheme) for entry in weights.registry().values() if entry.scheme}


def of_file(text: str) -> Scheme | None:
    """The scheme of ``FILE.py:CLASS``; None for a text that is something else.

    Parameters
    ----------
    text : str
        The class is a network that has been trained and exported, or a :class:`~.base.Scheme`.

    Raises
    ------
    BadInput
        It is something else.
    Missing
        The file is not here, or no weights of the network are.
    """
    found = own.split(text)
    if found is None:
        return None
    file, name = found
    # with its weights here a class need not be run: training needs torch, sending does not
    if name in trained():
        return OwnCoder(name)
    made = own.load(text)
    if isinstance(made, type) and issubclass(made, Scheme):
        try:
            return made()
        except Exception as error:  # whatever somebody's class raises
            raise BadInput(f"{text} cannot be made: {own.reason(error, file)}") from error
    if not all(callable(getattr(made, method, None)) for method in ("encode", "decode")):
        raise BadInput(f"{text} is neither a scheme nor a coder; a coder has encode(x) and decode(y)")
    raise Missing(
        f"no weights of {name} are here; train some with `semcom train {file}:{name} --export mine` and name their "
        "folder in SEMCOM_MODELS"
    )
