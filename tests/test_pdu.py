# SPDX-License-Identifier: GPL-3.0-or-later
"""PDU conversions: exact both ways, and deaf to lies."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio.semcom import burst
from gnuradio.semcom import semcom_python as native
from gnuradio.semcom.blocks import pdu


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (512, 512, 3), (9, 4)])
def test_images_come_back(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    message = pdu.from_image(image, {"image_id": 3})
    assert np.array_equal(pdu.to_image(message), image)
    meta = pdu.meta_of(message)
    assert (meta["height"], meta["width"], meta["image_id"]) == (*shape[:2], 3)
    assert meta["channels"] == (shape[2] if len(shape) == 3 else 1)


def test_views_that_are_not_contiguous_come_back():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)[::2, ::-1]
    assert np.array_equal(pdu.to_image(pdu.from_image(image, {})), image)


def test_vectors_come_back():
    rng = np.random.default_rng(1)
    c = rng.standard_normal(99).astype(np.float32).view(np.float32).astype(np.complex64)
    assert np.array_equal(native.pmt_to_c32(native.c32_to_pmt(c)), c)
    f = rng.standard_normal(99).astype(np.float32)
    assert np.array_equal(native.pmt_to_f32(native.f32_to_pmt(f)), f)
    u = rng.integers(0, 256, 99, dtype=np.uint8)
    assert np.array_equal(native.pmt_to_u8(native.u8_to_pmt(u)), u)
    assert len(native.pmt_to_c32(native.c32_to_pmt(c[:0]))) == 0


def test_metadata_of_every_type_comes_back_and_unknown_keys_pass():
    noise = np.arange(5, dtype=np.float32)
    meta = {"image_id": 65535, "snr_db": -1.25, "name": "a b", "flag": True, "noise_var": noise}
    back = native.pmt_to_meta(native.meta_to_pmt(meta))
    assert np.array_equal(back.pop("noise_var"), noise)
    assert back == {k: v for k, v in meta.items() if k != "noise_var"}
    strange = pmt.dict_add(pmt.make_dict(), pmt.intern("mine"), pmt.make_tuple(pmt.PMT_T, pmt.PMT_F))
    again = native.meta_to_pmt(native.pmt_to_meta(strange))
    assert pmt.equal(again, strange)


def test_the_registry_is_the_one_of_the_domain():
    keys = native.pdu_keys()
    assert keys["noise_var"][0] == "f32vector" and keys["snr_db"][0] == "double" and keys["image_id"][0] == "long"
    assert set(burst.ImageHeader.__dataclass_fields__) <= set(keys)


def lying(**lies):
    message = pdu.from_image(np.zeros((4, 5, 3), np.uint8), {})
    meta = pmt.car(message)
    for key, value in lies.items():
        meta = pmt.dict_add(meta, pmt.intern(key), value)
    return pmt.cons(meta, pmt.cdr(message))


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (lying(height=pmt.from_long(5)), "brings 60 bytes"),
        (lying(height=pmt.from_long(2**40)), "must be 1 to 32767"),
        (lying(width=pmt.from_long(-3)), "must be 1 to 32767"),
        (lying(channels=pmt.from_long(0)), "must be 1 to 4"),
        (lying(width=pmt.intern("wide")), "integer key width"),
        (pmt.PMT_T, "must be a pair"),
        (pmt.cons(pmt.make_dict(), pmt.init_u8vector(0, [])), "integer key height"),
    ],
)
def test_lies_get_a_sentence(message, sentence):
    with pytest.raises(ValueError, match=sentence):
        pdu.to_image(message)


@pytest.mark.parametrize(
    "call",
    [
        lambda: native.image_to_pdu(np.zeros((4, 4, 3)), pmt.make_dict()),
        lambda: native.image_to_pdu(np.zeros(4, np.uint8), pmt.make_dict()),
        lambda: native.c32_to_pmt(np.zeros(4)),
        lambda: native.pmt_to_c32(pmt.PMT_T),
        lambda: native.pmt_to_u8(pmt.PMT_NIL),
        lambda: native.meta_to_pmt({"x": object()}),
        lambda: native.pmt_to_meta(pmt.PMT_T),
    ],
)
def test_wrong_types_are_refused(call):
    with pytest.raises(ValueError, match=r"must|holds"):
        call()


def test_an_unsigned_integer_passes_through():
    meta = pmt.dict_add(pmt.make_dict(), pmt.intern("clock"), pmt.from_uint64(2**64 - 1))
    back = native.meta_to_pmt(native.pmt_to_meta(meta))
    assert pmt.equal(back, meta)
    with pytest.raises(ValueError, match="more than 64 bits"):
        native.meta_to_pmt({"clock": 2**64})
    with pytest.raises(ValueError, match="more than 64 bits"):
        native.meta_to_pmt({"clock": -(2**63) - 1})
