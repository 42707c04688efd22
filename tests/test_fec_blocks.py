# SPDX-License-Identifier: GPL-3.0-or-later
"""The coders and the soft demapper as blocks: inside GNU Radio's own FEC blocks, in running flowgraphs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pmt
import pytest
from gnuradio import blocks, digital, fec, gr, semcom
from gnuradio.semcom import semcom_kernels as kernels
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.errors import BadInput

INFO, CODED, BITS = 600, 1600, 4
FRAMES = 12
DONE = pmt.cons(pmt.intern("done"), pmt.from_long(1))


@pytest.fixture
def info() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (FRAMES, INFO), np.uint8)


def encoders(count: int):
    made = [semcom.nr_ldpc_encoder(INFO, CODED, BITS) for _ in range(count)]
    return made if count > 1 else made[0]


def decoders(count: int):
    made = [semcom.nr_ldpc_decoder(INFO, CODED, BITS, 30) for _ in range(count)]
    return made if count > 1 else made[0]


def expected(info: np.ndarray) -> np.ndarray:
    return kernels.nr_ldpc(INFO, CODED, BITS).encode(info)


def noisy(coded: np.ndarray, deviation: float = 0.8) -> np.ndarray:
    """Antipodal symbols in noise, positive for 1: 11 % of the bits are wrong."""
    rng = np.random.default_rng(2)
    return (2.0 * coded - 1 + rng.normal(0, deviation, coded.shape)).astype(np.float32)


def run(source, *chain):
    """The items that a chain of stream blocks makes."""
    sink = blocks.vector_sink_b()
    tb = gr.top_block()
    tb.connect(source, *chain, sink)
    tb.run()
    return sink


@pytest.mark.parametrize(("threading", "count"), [(None, 1), ("ordinary", 3), ("capillary", 2)])
def test_coders_in_the_extended_blocks(info, threading, count):
    coder = fec.extended_encoder(encoders(count), threading=threading, puncpat="11")
    coded = np.array(run(blocks.vector_source_b(info.ravel().tolist()), coder).data(), np.uint8)
    np.testing.assert_array_equal(coded.reshape(FRAMES, CODED), expected(info))
    decoder = fec.extended_decoder(decoders(count), threading=threading)
    soft = noisy(coded)
    assert np.mean((soft > 0) != coded) > 0.08
    got = np.array(run(blocks.vector_source_f(soft.tolist()), decoder).data(), np.uint8)
    np.testing.assert_array_equal(got.reshape(FRAMES, INFO), info)


def test_coders_in_the_tagged_blocks(info):
    """Each packet of one frame keeps its boundaries."""
    key = "packet_len"
    coder = fec.extended_tagged_encoder(encoders(1), puncpat="11", lentagname=key, mtu=300)
    tagged = run(
        blocks.vector_source_b(info.ravel().tolist()), blocks.stream_to_tagged_stream(1, 1, INFO, key), coder
    )  # fmt: skip
    coded = np.array(tagged.data(), np.uint8)
    np.testing.assert_array_equal(coded.reshape(FRAMES, CODED), expected(info))
    assert [(t.offset, pmt.to_long(t.value)) for t in tagged.tags()] == [(i * CODED, CODED) for i in range(FRAMES)]
    decoder = fec.extended_tagged_decoder(decoders(1), puncpat="11", lentagname=key, mtu=300)
    decoded = run(
        blocks.vector_source_f(noisy(coded).tolist()), blocks.stream_to_tagged_stream(4, 1, CODED, key), decoder
    )  # fmt: skip
    np.testing.assert_array_equal(np.array(decoded.data()).reshape(FRAMES, INFO), info)
    assert [(t.offset, pmt.to_long(t.value)) for t in decoded.tags()] == [(i * INFO, INFO) for i in range(FRAMES)]


def messages_through(block, messages, port_in="in", port_out="out"):
    """PDUs through one message block in a flowgraph that ends by itself."""
    catcher = blocks.message_debug()
    tb = gr.top_block()
    tb.msg_connect(block, port_out, catcher, "store")
    target = block if hasattr(block, "_post") else block.to_basic_block()
    for message in messages:
        target._post(pmt.intern(port_in), message)
    target._post(pmt.intern("system"), DONE)
    tb.run()
    return [catcher.get_message(i) for i in range(catcher.num_messages())]


def test_coders_in_the_async_blocks(info):
    """PDUs of one frame and of several: the fixed frame size cuts the longer ones."""
    parts = [info[:1].ravel(), info[1:4].ravel(), info[4:].ravel()]
    packets = [pmt.cons(pmt.make_dict(), pmt.init_u8vector(len(p), p.tolist())) for p in parts]
    coded = [pmt.u8vector_elements(pmt.cdr(m)) for m in messages_through(fec.async_encoder(encoders(1)), packets)]
    assert [len(c) for c in coded] == [CODED * n for n in (1, 3, FRAMES - 4)]
    coded = np.concatenate([np.array(c, np.uint8) for c in coded])
    np.testing.assert_array_equal(coded.reshape(FRAMES, CODED), expected(info))
    soft = noisy(coded)
    cuts = np.split(soft, [CODED, 4 * CODED])
    packets = [pmt.cons(pmt.make_dict(), pmt.init_f32vector(len(p), p.tolist())) for p in cuts]
    got = messages_through(fec.async_decoder(decoders(1)), packets)
    got = np.concatenate([np.array(pmt.u8vector_elements(pmt.cdr(m)), np.uint8) for m in got])
    np.testing.assert_array_equal(got.reshape(FRAMES, INFO), info)


def test_decoder_counts_what_it_could_not_decode(info):
    coded = expected(info)
    soft = noisy(coded)
    soft[3] = np.random.default_rng(3).standard_normal(CODED)
    soft[7] = 0
    decoder = decoders(1)
    run(blocks.vector_source_f(soft.ravel().tolist()), fec.decoder(decoder, 4, 1))
    assert decoder.frames() == FRAMES
    assert decoder.failures() in (1, 2)  # nothing known at all looks like the codeword of zeros


def test_coders_refuse_codes_that_do_not_exist():
    with pytest.raises(ValueError, match="no more than coded bits"):
        semcom.nr_ldpc_encoder(100, 50)
    with pytest.raises(ValueError, match="at least one iteration"):
        semcom.nr_ldpc_decoder(100, 200, 1, 0)


# ------------------------------------------------------------------------------------------------------- soft demapper


def test_soft_bits_of_pdus_with_their_noise_variance():
    rng = np.random.default_rng(4)
    symbols = (rng.standard_normal(500) + 1j * rng.standard_normal(500)).astype(np.complex64)
    noise_var = rng.uniform(0.1, 2, 500).astype(np.float32)
    noise_var[7] = np.inf
    for name, bits in (("bpsk", 1), ("qpsk", 2), ("16qam", 4), ("64qam", 6), ("256qam", 8)):
        block = semcom.soft_demapper(name, snr_db=3.0)
        assert block.bits_per_symbol() == bits
        meta = {"image_id": 9, "fragment": 2, "snr_db": 11.0}
        told = pdus.from_symbols(symbols, meta | {"noise_var": noise_var})
        untold = pdus.from_symbols(symbols, meta)
        out = messages_through(block, [told, untold], "symbols", "soft_bits")
        stated = np.full(500, 10**-0.3, np.float32)
        for message, variance in zip(out, (noise_var, stated), strict=True):
            got = np.array(pmt.f32vector_elements(pmt.cdr(message)), np.float32)
            np.testing.assert_allclose(got, kernels.modulation(bits).demap(symbols, variance), rtol=1e-5)
            assert pmt.to_python(pmt.car(message)) == meta


def test_soft_demapper_takes_a_new_snr_while_running():
    block = semcom.soft_demapper("qpsk", 0.0)
    block.set_snr_db(10.0)
    assert block.snr_db() == 10.0
    (out,) = messages_through(
        block, [pdus.from_symbols(np.array([0.5 - 0.5j], np.complex64), {})], "symbols", "soft_bits"
    )
    np.testing.assert_allclose(pmt.f32vector_elements(pmt.cdr(out)), np.array([-1, 1]) * 10 * np.sqrt(8) / 2, rtol=1e-5)
    block.set_snr_db(float("nan"))  # a running flowgraph is told on status
    assert block.snr_db() == 10.0
    with pytest.raises(ValueError, match=r"snr_db must be a finite number.*got nan"):
        semcom.soft_demapper("qpsk", 0.0).set_snr_db(float("nan"))
    with pytest.raises(ValueError, match="between -100 and 100 dB, not nan"):
        semcom.soft_demapper("qpsk", float("nan"))
    with pytest.raises(ValueError, match="there is no modulation 8psk; choose bpsk"):
        semcom.soft_demapper("8psk")


def test_soft_demapper_passes_on_what_it_cannot_demap():
    """Lost bursts, errors of others and nonsense come out empty; what is no PDU is dropped."""
    meta = pmt.to_pmt({"image_id": 1})
    four = pmt.make_c32vector(4, 0.5)
    wrong = pmt.dict_add(meta, pmt.intern("noise_var"), pmt.make_f32vector(3, 1.0))
    scalar = pmt.dict_add(meta, pmt.intern("noise_var"), pmt.from_double(1.0))
    failed = pmt.dict_add(meta, pmt.intern("error"), pmt.intern("a reason."))
    out = messages_through(
        semcom.soft_demapper("qpsk"),
        [
            pmt.intern("no pdu"),
            pmt.cons(meta, pmt.make_c32vector(0, 0)),
            pmt.cons(failed, four),
            pmt.cons(meta, pmt.make_u8vector(4, 1)),
            pmt.cons(wrong, four),
            pmt.cons(scalar, four),
        ],
        "symbols",
        "soft_bits",
    )
    assert all(pmt.is_f32vector(pmt.cdr(m)) and pmt.length(pmt.cdr(m)) == 0 for m in out)
    errors = [pmt.to_python(pmt.car(m)).get("error") for m in out]
    assert errors[:2] == [None, "a reason."]
    assert "c32vector" in errors[2] and "one variance per symbol" in errors[3] == errors[4]
    assert all(pmt.to_python(pmt.car(m))["image_id"] == 1 for m in out)


@pytest.mark.parametrize(("name", "bits", "deviation"), [("qpsk", 2, 0.75), ("256qam", 8, 0.1)])
def test_a_whole_stream_chain_of_gnu_radio_blocks(name, bits, deviation):
    """Bits, our coder, GNU Radio's mapper with our points, noise, our demapper, our decoder: the bits come back."""
    info_bits, coded_bits, frames = 960, 1920, 8
    sent = np.random.default_rng(5).integers(0, 2, info_bits * frames, np.uint8)
    snr_db = -20 * np.log10(deviation)
    coder = fec.extended_encoder(semcom.nr_ldpc_encoder(info_bits, coded_bits, bits), threading=None, puncpat="11")
    decoder = semcom.nr_ldpc_decoder(info_bits, coded_bits, bits)
    out, symbols = blocks.vector_sink_b(), blocks.vector_sink_c()
    tb = gr.top_block()
    mapper = digital.chunks_to_symbols_bc(semcom.constellation_points(name))
    tb.connect(
        blocks.vector_source_b(sent.tolist()), coder, blocks.repack_bits_bb(1, bits, "", False, gr.GR_MSB_FIRST), mapper
    )
    tb.connect(mapper, symbols)
    rng = np.random.default_rng(6)
    n = frames * coded_bits // bits
    noise = (rng.standard_normal((n, 2)) @ [1, 1j] * deviation / np.sqrt(2)).astype(np.complex64)
    adder = blocks.add_cc()
    tb.connect(mapper, (adder, 0))
    tb.connect(blocks.vector_source_c(noise.tolist()), (adder, 1))
    tb.connect(adder, semcom.soft_demapper(name, snr_db), fec.extended_decoder(decoder, threading=None), out)
    tb.run()
    np.testing.assert_array_equal(np.array(out.data(), np.uint8), sent)
    coded = kernels.nr_ldpc(info_bits, coded_bits, bits).encode(sent.reshape(frames, -1)).ravel()
    np.testing.assert_allclose(symbols.data(), kernels.modulation(bits).map(coded), atol=1e-6)
    assert (decoder.frames(), decoder.failures()) == (frames, 0)


def test_constellation_points_serve_gnu_radios_constellation():
    for name, bits in (("qpsk", 2), ("16qam", 4)):
        points = semcom.constellation_points(name)
        made = digital.constellation_calcdist(points, [], 4, 1, digital.constellation.NO_NORMALIZATION).base()
        np.testing.assert_allclose(made.points(), points, atol=1e-6)
        assert [made.decision_maker_v([p]) for p in points] == list(range(2**bits))
    with pytest.raises(BadInput, match="there is no modulation 8psk; choose bpsk, qpsk"):
        semcom.constellation_points("8psk")


# ---------------------------------------------------------------------------------------------- GNU Radio Companion

GRC = """
options:
  parameters: {{id: coded, title: Coded, author: '', generate_options: no_gui, run_options: run}}
  states: {{state: enabled}}
blocks:
- {{name: coder, id: variable_semcom_nr_ldpc_encoder_def, parameters: {{{parallel}, info_bits: '600', coded_bits: '1600', bits_per_symbol: '4'}}, states: {{state: enabled}}}}
- {{name: decoder, id: variable_semcom_nr_ldpc_decoder_def, parameters: {{{parallel}, info_bits: '600', coded_bits: '1600', bits_per_symbol: '4', max_iterations: '25'}}, states: {{state: enabled}}}}
- {{name: source, id: blocks_vector_source_x, parameters: {{type: byte, repeat: 'False', vector: '[1, 0, 0, 1, 1] * 480'}}, states: {{state: enabled}}}}
- {{name: encode, id: fec_extended_encoder, parameters: {{encoder_list: coder, threadtype: {threading}, puncpat: "'11'"}}, states: {{state: enabled}}}}
- {{name: mapper, id: digital_chunks_to_symbols_xx, parameters: {{in_type: byte, out_type: float, dimension: '1', symbol_table: '[-1, 1]'}}, states: {{state: enabled}}}}
- {{name: decode, id: fec_extended_decoder, parameters: {{decoder_list: decoder, threadtype: {threading}, puncpat: "'11'", ann: None}}, states: {{state: enabled}}}}
- {{name: sink, id: blocks_file_sink, parameters: {{type: byte, file: received.bin, unbuffered: 'False', append: 'False'}}, states: {{state: enabled}}}}
connections:
- [source, '0', encode, '0']
- [encode, '0', mapper, '0']
- [mapper, '0', decode, '0']
- [decode, '0', sink, '0']
metadata: {{file_format: 1}}
"""  # noqa: E501


@pytest.mark.parametrize(("parallel", "threading"), [("ndim: '0'", "none"), ("ndim: '1', dim1: '2'", "ordinary")])
def test_grc_definitions_in_gnu_radios_blocks(tmp_path, parallel, threading):
    from test_grc import ENV, compiled

    flowgraph = tmp_path / "coded.grc"
    flowgraph.write_text(GRC.format(parallel=parallel, threading=threading))
    script = compiled(flowgraph, tmp_path)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, env=ENV, cwd=tmp_path, input=""
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    got = np.fromfile(tmp_path / "received.bin", np.uint8)
    np.testing.assert_array_equal(got, np.tile([1, 0, 0, 1, 1], 480))
