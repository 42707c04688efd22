# SPDX-License-Identifier: GPL-3.0-or-later
"""What the symbol channel and the PDU conversions do with input that no encoder should send."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import semcom_python as native

ONES = native.c32_to_pmt(np.ones(8, np.complex64))


def sent(payload, **options):
    """One PDU through the channel, as (metadata, payload). All is queued before the flowgraph starts, so it ends."""
    channel, catcher, tb = semcom.symbol_channel(**options), blocks.message_debug(), gr.top_block()
    tb.msg_connect(channel, "symbols", catcher, "store")
    channel._post(pmt.intern("symbols"), pmt.cons(native.meta_to_pmt({"image_id": 7, "mine": 2.5}), payload))
    channel._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))
    tb.run()
    assert catcher.num_messages() == 1
    out = catcher.get_message(0)
    return native.pmt_to_meta(pmt.car(out)), pmt.cdr(out)


def test_a_lost_burst_still_counts_its_pilots():
    meta, payload = sent(ONES, loss=1.0, csi="pilot", n_pilots=5)
    assert meta == {"image_id": 7, "mine": 2.5, "pilots": 5}
    assert pmt.length(payload) == 0


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (native.f32_to_pmt(np.ones(3, np.float32)), "must be a c32vector"),
        (native.c32_to_pmt(np.array([1, np.nan], np.complex64)), "not all finite"),
        (native.c32_to_pmt(np.array([1, np.inf], np.complex64)), "not all finite"),
    ],
)
def test_what_cannot_cross_is_given_up_and_not_swallowed(payload, sentence):
    meta, out = sent(payload)
    assert sentence in meta["error"] and meta["image_id"] == 7
    assert pmt.length(out) == 0


def test_a_stream_port_alone_is_refused():
    tb = gr.top_block()
    tb.connect(blocks.null_source(gr.sizeof_gr_complex), semcom.symbol_channel())
    with pytest.raises(RuntimeError, match="topology"):
        tb.run()


def test_a_negative_seed_gets_a_sentence():
    with pytest.raises(ValueError, match="from 0, not -1"):
        semcom.symbol_channel(seed=-1)


def test_scalars_of_numpy_are_metadata():
    meta = {"image_id": np.int64(3), "snr_db": np.float32(2.5), "flag": np.bool_(True)}
    assert native.pmt_to_meta(native.meta_to_pmt(meta)) == {"image_id": 3, "snr_db": 2.5, "flag": True}


@pytest.mark.parametrize(
    "call",
    [
        lambda: native.pmt_to_u8(None),
        lambda: native.pmt_to_c32(None),
        lambda: native.pmt_to_f32(None),
        lambda: native.pmt_to_meta(None),
        lambda: native.pdu_to_image(None),
        lambda: native.image_to_pdu(np.zeros((2, 2, 3), np.uint8), None),
        lambda: native.image_to_pdu(np.zeros((0, 2, 3), np.uint8), pmt.make_dict()),
        lambda: native.image_to_pdu(np.zeros((2, 2, 5), np.uint8), pmt.make_dict()),
        lambda: native.image_to_pdu(np.zeros((1, 32768), np.uint8), pmt.make_dict()),
        lambda: native.meta_to_pmt({"image_id": 2**70}),
    ],
)
def test_none_and_impossible_values_are_refused(call):
    with pytest.raises(ValueError, match=r"must|holds"):
        call()
