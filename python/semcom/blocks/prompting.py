# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts as they arrive in messages."""

from __future__ import annotations

import pmt

from ..errors import BadInput
from ..scene.caption.grounding import named_in
from ..segment import ClassName, Mask, Prompt, parse_prompt, split_prompts
from . import pdu

KEY = "prompts"
MAX_TEXT = 2**16
"""Characters of prompts; 200 boxes take a tenth of it."""


def prompts_of(msg: pmt.pmt_base) -> tuple[Prompt, ...]:
    """The prompts in a message.

    Parameters
    ----------
    msg : pmt
        A text (a symbol; a pair of a name and a symbol, as GNU Radio's Message Edit Box sends it; a dictionary with the
        key ``prompts``; or a PDU of its UTF-8) or a mask PDU (keys ``height`` and ``width``; pixels above 0 lie
        inside). A text is prompts in their text form, separated by semicolons, or words that name classes.

    Returns
    -------
    tuple of Prompt
        At least one.

    Raises
    ------
    BadInput
        Another message, a text that means nothing, or a mask that cannot be.
    """
    if pmt.is_pair(msg) and pmt.is_u8vector(pmt.cdr(msg)) and "height" in pdu.meta_of(msg):
        return (_mask(msg),)
    text = _text(msg)
    if len(text) > MAX_TEXT:
        raise BadInput(f"prompts of {len(text)} characters are too long; send at most {MAX_TEXT}")
    parts = split_prompts(text)
    if not parts:
        raise BadInput("a message without a prompt arrived; send a text such as point:220,150")
    if len(parts) == 1 and ":" not in text and parts[0] != "everything":
        names = named_in(text)
        if not names:
            raise BadInput(f"{text!r} names no class that is known; send a class such as dog, or a point or box")
        return tuple(map(ClassName, names))
    return tuple(map(parse_prompt, parts))


def _text(msg: pmt.pmt_base) -> str:
    if pmt.is_pair(msg) and pmt.is_u8vector(pmt.cdr(msg)) and pmt.length(pmt.cdr(msg)):
        return pdu.to_bytes(msg).decode("utf-8", "replace")
    if pmt.is_pair(msg) and pmt.is_symbol(pmt.car(msg)):
        msg = pmt.cdr(msg)
    elif pmt.is_pair(msg) and pmt.is_u8vector(pmt.cdr(msg)):
        msg = pmt.car(msg)
    if pmt.is_dict(msg):
        msg = pmt.dict_ref(msg, pmt.intern(KEY), pmt.PMT_NIL)
    if not pmt.is_symbol(msg):
        raise BadInput("a message arrived that is no text, no dictionary with the key prompts and no mask PDU")
    return pmt.symbol_to_string(msg)


def _mask(msg: pmt.pmt_base) -> Mask:
    pixels = pdu.to_image(msg)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    return Mask(pixels > 0)
