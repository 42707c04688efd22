# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs as (array, dict) pairs. The keys and their PMT types are defined in ``gnuradio/semcom/pdu.h``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt
from gnuradio import gr  # noqa: F401  registers the types that the bindings build on

from .. import plain
from .. import semcom_python as native

Meta = dict[str, Any]


def _packed(meta: Meta) -> pmt.pmt_base:
    """A dictionary as GNU Radio has it. Its texts are UTF-8, which names of files need not be."""
    known = {key: plain.text(value) if isinstance(value, str) else value for key, value in meta.items()}
    return native.meta_to_pmt(known)


def meta_of(pdu: pmt.pmt_base) -> Meta:
    """The metadata of a PDU; ValueError when it is none."""
    if not pmt.is_pair(pdu) or not (pmt.is_dict(pmt.car(pdu)) or pmt.is_null(pmt.car(pdu))):
        raise ValueError("a message arrived that is no PDU (a pair of metadata and a vector)")
    return native.pmt_to_meta(pmt.car(pdu))


def number_of(meta: Meta) -> int:
    """The ``image_id``, 0 where there is none; ValueError when it is no integer."""
    number = meta.get("image_id", 0)
    if type(number) is not int:  # a bool is one to isinstance
        raise ValueError("a PDU arrived whose image_id is no integer")
    return number


def from_image(image: np.ndarray, meta: Meta) -> pmt.pmt_base:
    """uint8 [H,W,3] or [H,W] and metadata -> PDU; ``height``, ``width`` and ``channels`` are set from the array."""
    return native.image_to_pdu(image, _packed(meta))


def to_image(pdu: pmt.pmt_base) -> np.ndarray:
    """PDU -> uint8 [H,W,3] or [H,W]; ValueError when its length is not what its metadata says."""
    return native.pdu_to_image(pdu)


def from_symbols(symbols: np.ndarray, meta: Meta) -> pmt.pmt_base:
    """complex64 [n] and metadata -> PDU."""
    return pmt.cons(_packed(meta), native.c32_to_pmt(symbols))


def to_symbols(pdu: pmt.pmt_base) -> np.ndarray:
    """PDU -> complex64 [n]."""
    return native.pmt_to_c32(pmt.cdr(pdu))


def from_bytes(data: bytes, meta: Meta) -> pmt.pmt_base:
    """Bytes and metadata -> PDU."""
    return pmt.cons(_packed(meta), native.u8_to_pmt(np.frombuffer(data, np.uint8)))


def to_bytes(pdu: pmt.pmt_base) -> bytes:
    """PDU -> bytes; ValueError when its payload is no u8vector."""
    return native.pmt_to_u8(pmt.cdr(pdu)).tobytes()


def payload_bytes(msg: pmt.pmt_base) -> int:
    """Bytes of the vector of a PDU; 0 for any other message."""
    if not pmt.is_pair(msg) or not pmt.is_uniform_vector(pmt.cdr(msg)):
        return 0
    return pmt.length(pmt.cdr(msg)) * pmt.uniform_vector_itemsize(pmt.cdr(msg))


def failure(meta: Meta, sentence: str) -> pmt.pmt_base:
    """What goes on in place of an image that was given up, so that nothing downstream waits for it."""
    return pmt.cons(_packed(meta | {"error": sentence}), pmt.init_u8vector(0, []))


def as_on(port: str, mark: pmt.pmt_base) -> pmt.pmt_base:
    """A failure or mark of silence with the type of payload that is usual on a port, of no items.

    A block of GNU Radio ends with an exception at a payload of another type: a constellation shows nothing any more.
    """
    empty = pmt.init_c32vector(0, []) if port == "symbols" else pmt.init_u8vector(0, [])
    return pmt.cons(pmt.car(mark), empty)


def silence(number: int) -> pmt.pmt_base:
    """A mark that travels the way of the images, behind those that it asks or tells about; see Image Source."""
    return pmt.cons(native.meta_to_pmt({"silence": number}), pmt.init_u8vector(0, []))


def message(meta: Meta) -> pmt.pmt_base:
    """A bare dictionary message."""
    return _packed(meta)


def dictionary(msg: pmt.pmt_base) -> Meta:
    """A bare dictionary message as a dict."""
    return native.pmt_to_meta(msg)
