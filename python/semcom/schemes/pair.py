# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``onnx:ENC,DEC``: a coder of one's own as two ONNX files."""

from __future__ import annotations

from pathlib import Path

from ..burst import ImageHeader
from ..errors import BadInput
from ..jscc.pair import NAME, PairCoder, pair_coder
from .base import SymbolScheme

PREFIX = f"{NAME}:"


class OnnxPair(SymbolScheme):
    """The networks of one's own; the contract is that of :class:`~..jscc.pair.PairCoder`.

    Parameters
    ----------
    text : str
        ``onnx:ENC.onnx,DEC.onnx``.

    Raises
    ------
    BadInput
        The text does not name two files.
    """

    code = 254
    title = "Two ONNX files of your own"
    reference = "yours"

    def __init__(self, text: str):
        files = text.removeprefix(PREFIX).split(",")
        if len(files) != 2 or not all(file.strip() for file in files):
            raise BadInput(f"scheme {text} does not name two files; write onnx:ENCODER.onnx,DECODER.onnx")
        self.name = text
        self._files = tuple(Path(file.strip()) for file in files)

    def coder(self, variant: str) -> PairCoder:
        """Both networks."""
        return pair_coder(*self._files)

    def variants(self) -> dict[str, int]:
        """One, identified by the content of both files."""
        return {"": self.coder("").weights_id}

    def check_rate(self, rate: float | None, options: object) -> None:
        """The networks have one rate, which they name themselves."""
        self.coder("").check_rate(rate)

    def symbols(self, header: ImageHeader, part: int, variant: str) -> int:
        """As many as the latent of these networks has."""
        return self.coder(variant).symbol_count(header)
