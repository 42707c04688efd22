# SPDX-License-Identifier: GPL-3.0-or-later
"""The C++ symbol channel against NumPy and against closed-form theory."""

from __future__ import annotations

import math

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr, semcom
from gnuradio.semcom import semcom_python as native
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.channel import symbol
from gnuradio.semcom.errors import BadInput


def through_block(bursts, meta=None, **options):
    """PDUs through the block in a flowgraph that ends by itself; the PDUs that came out."""
    channel = semcom.symbol_channel(**options)
    catcher = blocks.message_debug()
    tb = gr.top_block()
    tb.msg_connect(channel, "symbols", catcher, "store")
    for index, burst in enumerate(bursts):
        message = pdus.from_symbols(burst, {"image_id": index} | (meta or {}))
        channel._post(pmt.intern("symbols"), message)
    done = pmt.cons(pmt.intern("done"), pmt.from_long(1))
    # all of it is queued before the block's thread starts, which handles every message that is there before it ends
    channel._post(pmt.intern("system"), done)
    tb.run()
    return [catcher.get_message(i) for i in range(catcher.num_messages())]


def qpsk(n, seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n, 2))
    return ((2 * bits[:, 0] - 1 + 1j * (2 * bits[:, 1] - 1)) / math.sqrt(2)).astype(np.complex64)


def bit_errors(sent, received):
    return np.sum(np.sign(sent.real) != np.sign(received.real)) + np.sum(np.sign(sent.imag) != np.sign(received.imag))


def q_function(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def test_kernel_equals_numpy():
    rng = np.random.default_rng(1)
    x, w = symbol.complex_gaussian(rng, 1000), symbol.complex_gaussian(rng, 1000)
    for h, h_est in ((1 + 0j, 1 + 0j), (0.3 - 1.1j, 0.31 - 1.0j), (1e-3 + 0j, 1e-3j)):
        ours, oracle = native.pass_burst(x, w, h, h_est), symbol.pass_burst(x, w, h, h_est)
        np.testing.assert_allclose(ours[0], oracle[0], rtol=1e-4, atol=1e-5 / abs(h_est))
        assert ours[1:] == pytest.approx(oracle[1:], rel=1e-5)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 25.0])
def test_snr_set_is_snr_measured(snr_db):
    x = qpsk(400_000, 2)
    (out,) = through_block([x], model="awgn", snr_db=snr_db, seed=3)
    y, meta = pdus.to_symbols(out), pdus.meta_of(out)
    measured = -10 * math.log10(np.mean(np.abs(y - x) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.05)
    assert meta["snr_db"] == pytest.approx(measured, abs=0.01)
    assert meta["noise_var"].shape == x.shape
    assert np.allclose(meta["noise_var"], 10 ** (-snr_db / 10))


def test_noise_is_white_circular_and_gaussian():
    n = 1_000_000
    (out,) = through_block([np.zeros(n, np.complex64)], model="awgn", snr_db=0.0, seed=4)
    w = pdus.to_symbols(out)
    # standard errors: 1/sqrt(n) = 0.001 for the means, a few of them for the fourth moment
    assert abs(np.mean(w)) < 0.004
    assert np.mean(np.abs(w) ** 2) == pytest.approx(1, abs=0.005)
    assert abs(np.mean(w**2)) < 0.005
    assert abs(np.mean(w[1:] * w[:-1].conj())) < 0.005
    assert np.mean(np.abs(w) ** 4) == pytest.approx(2, abs=0.03)
    # P(|w|^2 > t) = e^-t, out to the tail
    for t in (1, 4, 8, 11):
        assert np.mean(np.abs(w) ** 2 > t) == pytest.approx(math.exp(-t), abs=5 * math.sqrt(math.exp(-t) / n))


def gains(count, **options):
    """h of each burst, seen through long constant bursts with no equalisation and hardly any noise."""
    ones = np.ones(4, np.complex64)
    out = through_block([ones] * count, csi="none", snr_db=80.0, **options)
    return np.array([pdus.to_symbols(m).mean() for m in out])


@pytest.mark.slow
def test_rayleigh_gain_is_complex_gaussian():
    h = gains(20_000, model="rayleigh", seed=5)
    power = np.sort(np.abs(h) ** 2)
    # Kolmogorov-Smirnov against the exponential law; 1.95/sqrt(n) is passed by chance once in 1,000 seeds
    cdf = 1 - np.exp(-power)
    steps = np.arange(1, len(h) + 1) / len(h)
    assert np.max(np.abs(cdf - steps)) < 1.95 / math.sqrt(len(h))
    phase = np.sort(np.angle(h))
    assert np.max(np.abs((phase + math.pi) / (2 * math.pi) - steps)) < 1.95 / math.sqrt(len(h))
    # independent from burst to burst
    assert abs(np.mean(h[1:] * h[:-1].conj())) < 4 / math.sqrt(len(h))


@pytest.mark.slow
@pytest.mark.parametrize("k_db", [0.0, 6.0, 15.0])
def test_rician_gain_has_the_k_factor_set(k_db):
    h = gains(20_000, model="rician", k_factor_db=k_db, seed=6)
    k = 10 ** (k_db / 10)
    assert np.mean(np.abs(h) ** 2) == pytest.approx(1, abs=0.03)
    # moment estimator: E|h|^4 = (k^2 + 4k + 2) / (k + 1)^2
    assert np.mean(np.abs(h) ** 4) == pytest.approx((k * k + 4 * k + 2) / (k + 1) ** 2, rel=0.05)


@pytest.mark.parametrize("snr_db", [0.0, 4.0, 8.0])
def test_qpsk_over_awgn_meets_theory(snr_db):
    x = qpsk(500_000, 7)
    (out,) = through_block([x], model="awgn", snr_db=snr_db, seed=8)
    expected = q_function(math.sqrt(10 ** (snr_db / 10)))
    errors = bit_errors(x, pdus.to_symbols(out))
    assert errors / (2 * len(x)) == pytest.approx(expected, abs=4 * math.sqrt(expected / (2 * len(x))))


@pytest.mark.parametrize("snr_db", [5.0, 15.0])
def test_qpsk_over_rayleigh_meets_theory(snr_db):
    """BER = (1 - sqrt(g/(1+g)))/2 with g = Es/N0 / 2 (Proakis, 14.3-7), ideal CSI."""
    bursts = [qpsk(64, seed) for seed in range(20_000)]
    out = through_block(bursts, model="rayleigh", snr_db=snr_db, seed=9)
    rate = np.array([bit_errors(x, pdus.to_symbols(m)) / 128 for x, m in zip(bursts, out, strict=True)])
    gamma = 10 ** (snr_db / 10) / 2
    expected = 0.5 * (1 - math.sqrt(gamma / (1 + gamma)))
    # the fades dominate the spread, so the standard error is taken between bursts
    assert rate.mean() == pytest.approx(expected, abs=4 * rate.std() / math.sqrt(len(rate)))


@pytest.mark.parametrize("csi", ["ideal", "pilot"])
@pytest.mark.parametrize("model", ["rayleigh", "rician"])
def test_reported_noise_variance_is_the_error_made(csi, model):
    bursts = [qpsk(256, seed) for seed in range(4_000)]
    out = through_block(bursts, model=model, snr_db=12.0, csi=csi, n_pilots=4, seed=10)
    ratio = []
    for x, message in zip(bursts, out, strict=True):
        error = np.mean(np.abs(pdus.to_symbols(message) - x) ** 2)
        ratio.append(error / pdus.meta_of(message)["noise_var"][0])
    assert pdus.meta_of(out[0])["pilots"] == (4 if csi == "pilot" else 0)
    assert np.mean(ratio) == pytest.approx(1, abs=0.05)


def test_the_noise_that_pilots_tell_is_chi_square():
    """Of n pilots with one gain fitted to them: n - 1 complex degrees of freedom, mean 1 and variance 1/(n - 1)."""
    told = [
        np.array([pdus.meta_of(m)["noise_var"][0] for m in through_block([qpsk(8, 1)] * 20_000, csi=csi, seed=12)])
        for csi in ("estimated", "ideal")
    ]
    ratio = told[0] / told[1] / (1 + 1 / 16) * np.float32(1)
    # the gain that the pilots tell is 1 but for noise of N0/16, which spreads the ratio by 2 N0/16 more
    assert np.mean(ratio) == pytest.approx(1, abs=0.02)
    assert np.var(ratio) == pytest.approx(1 / 15 + 4 * 0.1 / 32, rel=0.1)


@pytest.mark.parametrize("model", ["awgn", "rayleigh", "rician"])
@pytest.mark.parametrize("csi", symbol.CSI)
def test_block_and_oracle_give_the_same_numbers(model, csi):
    bursts = [qpsk(n, n) for n in (1, 64, 700, 4096)] * 3
    options = {"model": model, "csi": csi, "snr_db": 7.0, "k_factor_db": 3.0, "loss": 0.3, "seed": 21}
    out = through_block(bursts, **options)
    oracle = symbol.SymbolChannel(**options)
    # one by one and all at once must go on with the same numbers
    theirs = [oracle.apply(bursts[0]), *oracle.apply_all(bursts[1:])]
    for message, received in zip(out, theirs, strict=True):
        meta = pdus.meta_of(message)
        assert meta["pilots"] == received.pilots and len(pdus.to_symbols(message)) == len(received.symbols)
        if len(received.symbols):
            np.testing.assert_allclose(pdus.to_symbols(message), received.symbols, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(meta["noise_var"], received.noise_var, rtol=1e-4)
            assert meta["snr_db"] == pytest.approx(received.snr_db, abs=1e-3)
    assert 0 < sum(len(r.symbols) == 0 for r in theirs) < len(bursts)


def test_losses_keep_their_metadata_and_happen_as_often_as_set():
    out = through_block([qpsk(8, 0)] * 5000, {"name": "x"}, loss=0.1, seed=11)
    empty = [m for m in out if len(pdus.to_symbols(m)) == 0]
    assert len(empty) / 5000 == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 5000))
    assert pdus.meta_of(empty[0])["name"] == "x"


def test_seed_decides_everything_and_unknown_keys_pass():
    x = qpsk(100, 1)
    runs = [through_block([x, x], {"custom": 2.5}, model="rayleigh", seed=s) for s in (1, 1, 2)]
    a, b, c = ([pdus.to_symbols(m) for m in run] for run in runs)
    assert np.array_equal(a, b) and not np.array_equal(a, c) and not np.array_equal(a[0], a[1])
    assert pdus.meta_of(runs[0][0])["custom"] == 2.5


def stream(data, max_items, **options):
    tb = gr.top_block()
    source, sink = blocks.vector_source_c(data.tolist()), blocks.vector_sink_c()
    tb.connect(source, semcom.symbol_channel(**options), sink)
    tb.run(max_items)
    return np.array(sink.data(), np.complex64)


@pytest.mark.parametrize("model", ["awgn", "rayleigh"])
def test_stream_does_not_depend_on_the_scheduler(model):
    x = qpsk(10_000, 12)
    options = {"model": model, "snr_db": 6.0, "block_len": 700, "seed": 13}
    a, b = stream(x, 100_000_000, **options), stream(x, 97, **options)
    assert len(a) == len(x) and np.array_equal(a, b)
    if model == "awgn":
        assert -10 * math.log10(np.mean(np.abs(a - x) ** 2)) == pytest.approx(6.0, abs=0.3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "laplace"}, "choose awgn, rayleigh or rician"),
        ({"csi": "some"}, "choose ideal, pilot, estimated or none"),
        ({"csi": "estimated", "n_pilots": 1}, "one pilot does not tell the noise; choose 2 or more"),
        ({"snr_db": math.nan}, "between -100 and 100"),
        ({"snr_db": math.inf}, "between -100 and 100"),
        ({"k_factor_db": 1e4}, "between -100 and 100"),
        ({"loss": 1.5}, "probability"),
        ({"n_pilots": 0}, "at least 1 pilot"),
        ({"block_len": 0}, "at least 1 symbol"),
    ],
)
def test_bad_parameters(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        semcom.symbol_channel(**options)
    if "block_len" in options:
        return
    with pytest.raises(BadInput):
        symbol.SymbolChannel(**options)
