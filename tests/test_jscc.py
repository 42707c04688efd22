# SPDX-License-Identifier: GPL-3.0-or-later
"""The joint coders as plain Python: sizes, power, rates, fragments and figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.jscc import softcast
from gnuradio.semcom.jscc import symbols as sym

SHIPPED = ("softcast", "samsc", "semcom")


def coder_of(scheme, variant="original"):
    return schemes.get(scheme).coder(variant)


def through(coder, image, channel=None, **options):
    sent = coder.encode(image, **options)
    if channel is None:
        received, noise_var = sent.symbols, np.zeros(len(sent.symbols), np.float32)
    else:
        out = channel.apply(sent.symbols)
        received, noise_var = out.symbols, out.noise_var
    return sent, coder.decode(received, noise_var, sent.header)


@pytest.mark.parametrize("scheme", SHIPPED)
@pytest.mark.parametrize("size", [(1, 1), (15, 17), (16, 16), (512, 512), (33, 200)])
def test_any_size_comes_back_with_unit_power(scheme, size, smooth_image):
    image = smooth_image(*size)
    sent, back = through(coder_of(scheme), image)
    assert back.shape == image.shape and back.dtype == np.uint8
    assert np.mean(np.abs(sent.symbols) ** 2) == pytest.approx(1, rel=2e-3)
    rows, columns = -(-size[0] // 16), -(-size[1] // 16)
    assert len(sent.symbols) == rows * columns * 64
    assert metrics.psnr(image, back) > (30 if min(size) >= 32 else 20)


@pytest.mark.parametrize("scheme", SHIPPED)
def test_black_image_has_no_power_problem(scheme):
    image = np.zeros((48, 48, 3), np.uint8)
    _, back = through(coder_of(scheme), image, SymbolChannel("awgn", 20.0, seed=1))
    assert np.isfinite(back).all() and back.mean() < 20


@pytest.mark.data
def test_softcast_reaches_its_published_figures(kodak):
    """Kodak at k/n 1/12, AWGN, 1/7/13 dB: within 0.3 dB of 23.2/27.2/30.7 dB, measured independently."""
    coder = coder_of("softcast")
    for snr_db, expected in ((1, 23.2), (7, 27.2), (13, 30.7)):
        got = []
        for index, file in enumerate(kodak):
            image = io.load(file)
            _, back = through(coder, image, SymbolChannel("awgn", float(snr_db), seed=index))
            got.append(metrics.psnr(image, back))
        assert np.mean(got) == pytest.approx(expected, abs=0.3)


@pytest.mark.data
def test_samsc_passes_30_db_without_noise(kodak):
    coder = coder_of("samsc")
    images = [io.load(file) for file in kodak[::6]]
    assert np.mean([metrics.psnr(i, through(coder, i)[1]) for i in images]) > 32


@pytest.mark.parametrize("rate", [1 / 48, 1 / 24, 1 / 12, 1 / 6])
def test_softcast_rate_is_the_uses_per_value(rate, astronaut):
    image = io.load(astronaut)
    sent, _ = through(coder_of("softcast"), image, rate=rate)
    assert len(sent.symbols) / image.size == pytest.approx(rate)


def test_more_rate_and_more_snr_never_hurt_softcast(astronaut):
    image, coder = io.load(astronaut), coder_of("softcast")

    def psnr(rate, snr_db):
        return metrics.psnr(image, through(coder, image, SymbolChannel("awgn", snr_db, seed=3), rate=rate)[1])

    assert psnr(1 / 24, 15.0) < psnr(1 / 12, 15.0) < psnr(1 / 6, 15.0)
    assert psnr(1 / 12, 0.0) < psnr(1 / 12, 10.0) < psnr(1 / 12, 20.0)


@pytest.mark.parametrize("scheme", SHIPPED)
def test_lost_fragments_thin_the_image(scheme, astronaut):
    image, coder = io.load(astronaut), coder_of(scheme)
    sent = coder.encode(image)
    quiet = np.full(4096, 1e-3, np.float32)
    parts = {i: (p, quiet[: len(p)]) for i, p in enumerate(burst.split(sent.symbols))}

    def psnr(without):
        kept = {i: p for i, p in parts.items() if i not in without}
        symbols, noise_var, lost = burst.join(kept, len(parts), len(sent.symbols))
        assert lost == len(without)
        return metrics.psnr(image, coder.decode(symbols, noise_var, sent.header))

    whole, one, all_lost = psnr(()), psnr((2,)), psnr(range(len(parts)))
    assert whole > one > all_lost
    # one burst in sixteen costs detail everywhere, not a hole
    assert one > 17


def test_split_and_join_are_inverse():
    rng = np.random.default_rng(5)
    for total in (1, 4096, 4097, 10_000, 65_536):
        values = rng.standard_normal(total).astype(np.float32).astype(np.complex64)
        parts = burst.split(values)
        assert all(len(p) <= burst.MAX_FRAGMENT for p in parts)
        assert [len(p) for p in parts] == [burst.fragment_length(total, len(parts), i) for i in range(len(parts))]
        back, _, lost = burst.join({i: (p, np.zeros(len(p))) for i, p in enumerate(parts)}, len(parts), total)
        assert lost == 0 and np.array_equal(back, values)


@pytest.mark.parametrize("scheme", SHIPPED)
def test_every_fragment_carries_its_share_of_the_energy(scheme, astronaut):
    parts = burst.split(coder_of(scheme).encode(io.load(astronaut)).symbols)
    energy = np.array([np.sum(np.abs(p) ** 2) for p in parts])
    assert len(parts) == 16
    assert energy.max() < 1.3 * energy.mean() and energy.min() > 0.7 * energy.mean()


def test_scale_code_is_fine_and_bounded():
    for scale in (1e-9, 0.01, 1.0, 3.7, 1e4):
        assert sym.scale_value(sym.scale_code(scale)) == pytest.approx(scale, rel=4e-4)
    assert sym.scale_code(0) == 0 and sym.scale_code(1e300) == 65535


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: coder_of("jpeg"), "there is no scheme 'jpeg'; choose softcast, samsc"),
        (lambda: coder_of("samsc", "best"), "choose masked or original"),
        (lambda: coder_of("softcast").encode(np.zeros((4, 4), np.uint8)), "must be uint8 of shape"),
        (lambda: coder_of("softcast").encode(np.zeros((4, 4, 3), np.float32)), "must be uint8 of shape"),
        (lambda: coder_of("softcast").encode(np.zeros((16, 16, 3), np.uint8), rate=0.5), "1/768 to 1/6"),
        (lambda: coder_of("softcast").encode(np.zeros((16, 16, 3), np.uint8), snr_db=float("nan")), "finite number"),
        (lambda: coder_of("samsc").encode(np.zeros((16, 16, 3), np.uint8), rate=1 / 24), "k/n = 1/12 only"),
        (lambda: coder_of("semcom").encode(np.zeros((16, 16, 3), np.uint8), rate=1 / 96), "from 1/48 to 1/6"),
        (
            lambda: coder_of("samsc").encode(np.zeros((16, 16, 3), np.uint8), importance=np.ones((16, 16))),
            "choose scheme semcom",
        ),
        (
            lambda: coder_of("semcom").encode(np.zeros((16, 16, 3), np.uint8), importance=np.ones((8, 16))),
            "does not fit an image of 16x16",
        ),
        (lambda: burst.check_size(40_000, 10, "softcast", 2**25), "1 to 32767 pixels"),
        (lambda: burst.fragments_needed(4096 * 4096), "scale the image down"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_wrong_number_of_symbols_is_refused(smooth_image):
    coder = coder_of("softcast")
    sent = coder.encode(smooth_image())
    with pytest.raises(BadInput, match="same scheme and rate"):
        coder.decode(sent.symbols[:-1], np.zeros(len(sent.symbols) - 1, np.float32), sent.header)


def test_a_value_that_is_no_number_counts_as_lost():
    symbols = np.full(8, 1 + 1j, np.complex64)
    noise_var = np.full(8, 0.1, np.float32)
    symbols[:3] = [np.nan, np.inf, 1e7]
    noise_var[3:6] = [np.nan, -1, np.inf]
    parts = {0: (symbols, noise_var)}
    joined, variance, lost = burst.join(parts, 1, 8)
    assert lost == 0 and (joined == 0).sum() == 6 and np.isinf(variance).sum() == 6
    assert (variance[joined != 0] == np.float32(0.1)).all()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ((4096, 8193, "softcast", 0, 0, 0), "33554432 pixels"),
        ((2048, 2049, "samsc", 127, 0, 0), "4194304 pixels"),
        ((64, 64, "samsc", 63, 0, 0), "has only 127"),
        ((64, 64, "softcast", 256, 0, 0), "rate is not an integer from 0 to 255"),
        ((64, 64, "softcast", 0, -1, 0), "scale is not an integer from 0 to 65535"),
        ((64, 64, "softcast", 0, 0, 128), "snr_enc is not an integer from -128 to 127"),
        ((0, 64, "softcast", 0, 0, 0), "1 to 32767"),
    ],
)
def test_headers_that_no_encoder_makes_are_refused(fields, sentence):
    height, width, name, rate, scale, snr_enc = fields
    scheme = schemes.get(name)
    meta = {"height": height, "width": width, "scheme": scheme.code, "rate": rate, "scale": scale, "snr_enc": snr_enc}
    with pytest.raises(BadInput, match=sentence):
        read = burst.BurstHeader.of(meta | {"fragment": 0, "fragments": 1, "n_symbols": 1})
        scheme.check_header(read)
        scheme.symbols(burst.ImageHeader(height, width, name, rate, scale, snr_enc), 0, next(iter(scheme.variants())))


def test_every_scale_and_noise_decodes_to_a_picture(smooth_image):
    for name in ("softcast", "samsc"):
        coder = coder_of(name)
        sent = coder.encode(smooth_image(32, 48))
        for scale in (0, 65535):
            header = dataclasses.replace(sent.header, scale=scale)
            for variance in (0, 1e-30, 1e12, np.inf):
                noise = np.full(len(sent.symbols), variance, np.float32)
                assert coder.decode(sent.symbols, noise, header).shape == (32, 48, 3)


def test_bands_do_not_show(smooth_image, monkeypatch):
    coder = coder_of("softcast")
    # an odd number of channels and of positions: bands begin in the middle of a symbol
    sent = coder.encode(smooth_image(150, 75), rate=5 / 1536)
    noise = np.linspace(0.01, 0.2, len(sent.symbols), dtype=np.float32)
    whole = coder.decode(sent.symbols, noise, sent.header)
    monkeypatch.setattr(softcast, "BAND", 5)
    banded = coder.decode(sent.symbols, noise, sent.header)
    assert np.abs(whole.astype(int) - banded).max() <= 1
