# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of the digital chain against independent NumPy oracles and golden values, and its domain functions."""

from __future__ import annotations

import hashlib
import re
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom import semcom_kernels as kernels
from gnuradio.semcom.burst import MAX_FRAGMENT
from gnuradio.semcom.digital import group, message
from gnuradio.semcom.digital.mcs import TABLE, mcs_of
from gnuradio.semcom.errors import BadInput

ROOT = Path(__file__).resolve().parents[1]

# CRC-32 of the packed codeword of LDPC5GEncoder of Sionna 2.2.0, for (info bits, coded bits, bits per symbol) and the
# information bits of hashed_bits.
GOLDEN = {
    (8448, 16896, 2): 0x1802088A, (1000, 3000, 6): 0x9E70DD67, (8424, 9600, 8): 0xD05BE8E8, (64, 256, 2): 0xF109E0CD,
    (3840, 15360, 4): 0xB764F621, (600, 1800, 1): 0xB468AD26, (250, 500, 2): 0x35E83E2F, (40, 200, 2): 0xDA83AE1B,
    (5000, 6000, 4): 0x0A7CD6AE, (320, 1296, 8): 0x87B4EF3C,
}  # fmt: skip
# The same, chained over one code for every lifting size of a set, for (set, base graph): see one_of_each_size.
GOLDEN_SETS = {
    (0, 1): 0x3E353652, (0, 2): 0xEDD3E199, (1, 1): 0xD8DB40A7, (1, 2): 0x0DB85100,
    (2, 1): 0x0832EA8D, (2, 2): 0x62DF3C53, (3, 1): 0xED0F9CAF, (3, 2): 0xDCDEF7D7,
    (4, 1): 0x4009FD32, (4, 2): 0xFA75B03E, (5, 1): 0x7D4AD6E1, (5, 2): 0xEE3DA31F,
    (6, 1): 0x3B35090E, (6, 2): 0xF8D45182, (7, 1): 0xC15D544A, (7, 2): 0xDD8D9558,
}  # fmt: skip
MIN_SIZES = (2, 3, 5, 7, 9, 11, 13, 15)
MAX_SIZE = 384


def hashed_bits(k: int, n: int, q: int) -> np.ndarray:
    """The information bits of a golden codeword, uint8 [k]: no random generator that could change."""
    digest = hashlib.shake_128(f"{k} {n} {q}".encode()).digest(-(-k // 8))
    return np.unpackbits(np.frombuffer(digest, np.uint8))[:k]


def one_of_each_size(lifting_set: int, graph: int) -> list[tuple[int, int, int]]:
    """(lifting size, info bits, coded bits) of one code for every size of a set that the base graph is used with."""
    first, codes = MIN_SIZES[lifting_set], []
    for z in (first << i for i in range(8) if first << i <= MAX_SIZE):
        if graph == 1:
            k = 22 * z - 5
            n = (k * 5 // 4 + 3) // 4 * 4
        else:
            k = 6 * z if z <= 32 else 8 * z if z <= 70 else 10 * z - 3
            n = 4 * k if k > 3824 else (2 * k + 3) // 4 * 4
        if graph == 2 or k > 292:
            codes.append((z, k, n))
    return codes


def crc(bits: np.ndarray, start: int = 0) -> int:
    return zlib.crc32(np.packbits(bits).tobytes(), start)


def noisy_llr(rng: np.random.Generator, bits: np.ndarray, esn0_db: float) -> np.ndarray:
    """Log-likelihood ratios, positive means bit 1, of antipodal signalling in noise of the given Es/N0."""
    variance = 10 ** (-esn0_db / 10) / 2
    y = 2.0 * bits - 1 + rng.standard_normal(bits.shape) * np.sqrt(variance)
    return (2 * y / variance).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------------- LDPC


@pytest.mark.parametrize("code", GOLDEN)
def test_ldpc_codewords_are_those_of_another_implementation(code):
    assert crc(kernels.nr_ldpc(*code).encode(hashed_bits(*code))) == GOLDEN[code]


@pytest.mark.parametrize(("lifting_set", "graph"), GOLDEN_SETS)
def test_ldpc_codewords_of_every_lifting_size(lifting_set, graph):
    value = 0
    for z, k, n in one_of_each_size(lifting_set, graph):
        code = kernels.nr_ldpc(k, n, 4)
        assert (code.base_graph, code.lifting_size) == (graph, z)
        value = crc(code.encode(hashed_bits(k, n, 4)), value)
    assert value == GOLDEN_SETS[lifting_set, graph]


@lru_cache(maxsize=2)
def base_graph(graph: int) -> np.ndarray:
    """int [circulants, 10]: row, column, shift of each of the eight sets; the tables that the golden values prove."""
    text = (ROOT / "lib" / "nr_base_graphs.h").read_text()
    table = re.search(rf"bg{graph}\[\d+\] = \{{(.*?)\n\}};", text, re.DOTALL).group(1)
    return np.array([re.findall(r"\d+", line) for line in table.strip().splitlines()], int)


def codeword_of(k: int, n: int, q: int) -> np.ndarray:
    """Place in the lifted codeword of every coded bit, int [n]: TS 38.212 section 5.4.2, done as its text says."""
    code = kernels.nr_ldpc(k, n, q)
    z, systematic = code.lifting_size, 22 if code.base_graph == 1 else 10
    length = (66 if code.base_graph == 1 else 50) * z  # N, TS 38.212 section 5.3.2
    e, selected = 0, []
    while len(selected) < n:
        place = e % length
        if not k - 2 * z <= place < (systematic - 2) * z:  # filler bits are passed over
            selected.append(place + 2 * z)
        e += 1
    # written by rows of a matrix of q rows, read by columns
    return np.array(selected).reshape(q, n // q).T.reshape(-1)


@pytest.mark.parametrize(
    ("k", "n", "q"), [(1000, 3000, 4), (8448, 25344, 2), (40, 480, 2), (2500, 12000, 1), (300, 320, 8), (20, 2000, 4)]
)
def test_ldpc_parity_checks_hold(k, n, q):
    """H c = 0 with a parity-check matrix made of its definition; repeated bits are equal."""
    code = kernels.nr_ldpc(k, n, q)
    z, systematic = code.lifting_size, 22 if code.base_graph == 1 else 10
    info = hashed_bits(k, n, q)
    coded, place = code.encode(info), codeword_of(k, n, q)
    columns = systematic + (46 if code.base_graph == 1 else 42)
    word = np.full(columns * z, -1)
    word[:k], word[k : systematic * z] = info, 0
    for bit, at in zip(coded, place, strict=True):
        assert word[at] in (-1, bit)
        word[at] = bit
    lifting_set = next(i for i, a in enumerate(MIN_SIZES) if any(a << j == z for j in range(8)))
    checks = np.zeros((columns - systematic, z), int)
    known = np.ones((columns - systematic, z), bool)
    for row, column, *shifts in base_graph(code.base_graph):
        bits = np.roll(word[column * z : (column + 1) * z], -(shifts[lifting_set] % z))
        checks[row] += bits
        known[row] &= bits >= 0
    assert not np.any(checks[known] % 2)
    # a check that touches a bit that is not sent says nothing; of the others there is one for every parity bit
    assert known[0].all()
    assert known[4:].sum() == np.sum(np.unique(place) >= (systematic + 4) * z)


@pytest.mark.parametrize(
    ("k", "n", "q", "esn0_db"),
    [(8448, 16896, 2, -0.9), (3840, 15360, 2, -4.4), (1000, 3000, 6, -2.0), (8424, 9600, 8, 5.0), (64, 256, 2, 0.0),
     (40, 960, 2, -8.0)],
)  # fmt: skip
def test_ldpc_decoder_corrects(k, n, q, esn0_db):
    """About a decibel above where the code begins to work: raw error rates of 3 to 29 %, none after decoding."""
    rng = np.random.default_rng(1)
    code = kernels.nr_ldpc(k, n, q)
    info = rng.integers(0, 2, (6, k), np.uint8)
    llr = noisy_llr(rng, code.encode(info), esn0_db)
    assert np.mean((llr > 0) != code.encode(info)) > 0.005
    decoded, found = code.decode(llr, 50)
    np.testing.assert_array_equal(decoded, info)
    assert found.all()


def test_ldpc_repeated_bits_add_up():
    """A short code sent three times over: at an SNR at which no single copy can be read, all of it can."""
    rng = np.random.default_rng(2)
    code = kernels.nr_ldpc(200, 3 * 1200, 2)
    info = rng.integers(0, 2, (8, 200), np.uint8)
    llr = noisy_llr(rng, code.encode(info), -9.0)
    decoded, found = code.decode(llr)
    assert found.all()
    np.testing.assert_array_equal(decoded, info)
    once = np.zeros_like(llr)
    place = codeword_of(200, 3600, 2)
    once[:, np.unique(place, return_index=True)[1]] = llr[:, np.unique(place, return_index=True)[1]]
    assert not code.decode(once)[1].any()


def test_ldpc_decoder_says_when_it_finds_nothing():
    rng = np.random.default_rng(3)
    code = kernels.nr_ldpc(1000, 2000)
    decoded, found = code.decode(rng.standard_normal((4, 2000)).astype(np.float32))
    assert decoded.shape == (4, 1000) and set(np.unique(decoded)) <= {0, 1}
    assert not found.any()


def test_ldpc_decoder_fills_erasures():
    """A quarter of the bits of a rate-1/2 code without a value, as NaN, infinity or zero; the others are certain."""
    rng = np.random.default_rng(4)
    code = kernels.nr_ldpc(1000, 2000, 2)
    info = rng.integers(0, 2, (3, 1000), np.uint8)
    llr = np.where(code.encode(info) == 1, np.float32(20), np.float32(-20))
    for row, value in enumerate((np.nan, np.inf, 0)):
        llr[row, rng.choice(2000, 500, replace=False)] = value
    decoded, found = code.decode(llr)
    np.testing.assert_array_equal(decoded, info)
    assert found.all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, 10), "at least one information bit"),
        ((20, 10), "no more than coded bits"),
        ((10, 21, 2), "whole symbols"),
        ((10, 20, 0), "whole symbols"),
        ((8449, 20000), "at most 8448 bits"),
        ((3841, 20000), "not 3841"),
    ],
)
def test_ldpc_refuses_impossible_codes(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        kernels.nr_ldpc(*arguments)


def test_ldpc_refuses_rows_of_another_length():
    code = kernels.nr_ldpc(100, 200)
    with pytest.raises(ValueError, match="rows of 100 information bits"):
        code.encode(np.zeros(99, np.uint8))
    with pytest.raises(ValueError, match="rows of 200 soft bits"):
        code.decode(np.zeros((2, 100), np.float32))


# ------------------------------------------------------------------------------------------------- convolutional code

KEPT = {2: "11", 3: "1110", 4: "111001"}  # IEEE Std 802.11-2020, figures 17-9 and 17-10, as A1 B1 A2 B2 ...


def mother_code(info: np.ndarray) -> np.ndarray:
    """uint8 [k] -> uint8 [2 (k + 6)]: generators 133 and 171 octal, newest bit on top, and six zero tail bits."""
    register, out = [0] * 7, []
    for bit in [*info, *[0] * 6]:
        register = [int(bit), *register[:-1]]
        out += [sum(r for r, tap in zip(register, g, strict=True) if tap == "1") % 2 for g in ("1011011", "1111001")]
    return np.array(out, np.uint8)


def kept(puncturing: int, length: int) -> np.ndarray:
    pattern = np.array([c == "1" for c in KEPT[puncturing]])
    return np.resize(pattern, length)


def best_path(soft: np.ndarray) -> np.ndarray:
    """float [2 (k + 6)], positive for 1 -> uint8 [k]: the most likely path from state 0 to state 0 (Viterbi)."""
    steps = len(soft) // 2
    output = {}
    for state in range(64):
        for bit in (0, 1):
            register = [bit, *(state >> (5 - i) & 1 for i in range(6))]
            output[state, bit] = [
                sum(r for r, tap in zip(register, g, strict=True) if tap == "1") % 2 for g in ("1011011", "1111001")
            ]
    metric, came = np.full(64, -np.inf), np.zeros((steps, 64), int)
    metric[0] = 0
    for t in range(steps):
        new = np.full(64, -np.inf)
        for (state, bit), (a, b) in output.items():
            value = metric[state] + (2 * a - 1) * soft[2 * t] + (2 * b - 1) * soft[2 * t + 1]
            to = bit << 5 | state >> 1
            if value > new[to]:
                new[to], came[t, to] = value, state
        metric = new
    state, bits = 0, []
    for t in reversed(range(steps)):
        bits.append(state >> 5)
        state = came[t, state]
    return np.array(bits[::-1][: steps - 6], np.uint8)


@pytest.mark.parametrize("puncturing", KEPT)
def test_convolutional_coder_is_that_of_the_standard(puncturing):
    rng = np.random.default_rng(5)
    for k in (8, 64, 200):
        info = rng.integers(0, 2, k, np.uint8)
        expected = mother_code(info)[kept(puncturing, 2 * (k + 6))]
        assert kernels.conv_code.bits_made(k, puncturing) == len(expected)
        coded = kernels.conv_code(k, len(expected) + 5, puncturing).encode(info)
        np.testing.assert_array_equal(coded, np.r_[expected, np.zeros(5, np.uint8)])


@pytest.mark.parametrize(("puncturing", "esn0_db"), [(2, -2.5), (3, 0.5), (4, 1.5)])
def test_convolutional_decoder_is_as_good_as_the_best_path(puncturing, esn0_db):
    """Soft values have eight bits inside, so a near tie may fall the other way: no more than a few in a hundred."""
    rng = np.random.default_rng(6)
    k, blocks = 64, 40
    made = kernels.conv_code.bits_made(k, puncturing)
    code = kernels.conv_code(k, made, puncturing)
    info = rng.integers(0, 2, (blocks, k), np.uint8)
    llr = noisy_llr(rng, code.encode(info), esn0_db)
    decoded = code.decode(llr)
    soft = np.zeros((blocks, 2 * (k + 6)))
    soft[:, kept(puncturing, 2 * (k + 6))] = llr
    best = np.array([best_path(row) for row in soft])
    assert 0 < np.sum(np.any(best != info, axis=1)) < blocks / 2
    assert np.sum(np.any(decoded != best, axis=1)) <= 2


def test_convolutional_decoder_leaves_out_what_is_unknown():
    rng = np.random.default_rng(7)
    code = kernels.conv_code(256, 600, 2)
    info = rng.integers(0, 2, 256, np.uint8)
    llr = np.where(code.encode(info) == 1, np.float32(3), np.float32(-3))
    llr[::7] = 0
    llr[3::31] = np.nan
    np.testing.assert_array_equal(code.decode(llr), info)
    assert set(np.unique(code.decode(np.zeros(600, np.float32)))) <= {0, 1}


@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_convolutional_decoder_takes_any_scale(scale):
    rng = np.random.default_rng(8)
    code = kernels.conv_code(800, 1612, 2)
    info = rng.integers(0, 2, 800, np.uint8)
    llr = noisy_llr(rng, code.encode(info), 2.0)
    np.testing.assert_array_equal(code.decode(llr * np.float32(scale)), info)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((12, 100), "whole bytes"), ((0, 100), "whole bytes"), ((8, 27), "28 bits"), ((8, 100, 5), "2, 3 or 4")],
)
def test_convolutional_code_refuses_what_cannot_be(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        kernels.conv_code(*arguments)


# ---------------------------------------------------------------------------------------------------------- modulation


def points(bits: int) -> np.ndarray:
    """complex [2**bits] by label, first bit on top: TS 38.211 sections 5.1.2 to 5.1.6 as they are written."""
    b = [(np.arange(2**bits) >> (bits - 1 - i)) & 1 for i in range(bits)]
    s = [1 - 2 * x for x in b]
    if bits == 1:
        return (s[0] + 1j * s[0]) / np.sqrt(2)
    if bits == 2:
        return (s[0] + 1j * s[1]) / np.sqrt(2)
    if bits == 4:
        return (s[0] * (2 - s[2]) + 1j * s[1] * (2 - s[3])) / np.sqrt(10)
    if bits == 6:
        return (s[0] * (4 - s[2] * (2 - s[4])) + 1j * s[1] * (4 - s[3] * (2 - s[5]))) / np.sqrt(42)
    return (
        s[0] * (8 - s[2] * (4 - s[4] * (2 - s[6]))) + 1j * s[1] * (8 - s[3] * (4 - s[5] * (2 - s[7])))
    ) / np.sqrt(170)  # fmt: skip


def max_log(symbols: np.ndarray, noise_var: np.ndarray, bits: int) -> np.ndarray:
    """float [n bits]: (least distance to a point of bit 0 - to one of bit 1) / noise variance."""
    distance = np.abs(symbols[:, None] - points(bits)) ** 2
    label = (np.arange(2**bits)[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    zero = np.stack([distance[:, label[:, i] == 0].min(1) for i in range(bits)], 1)
    one = np.stack([distance[:, label[:, i] == 1].min(1) for i in range(bits)], 1)
    return ((zero - one) / noise_var[:, None]).reshape(-1)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_constellations_are_those_of_the_standard(bits):
    modulation = kernels.modulation(bits)
    labels = (np.arange(2**bits, dtype=np.uint8)[:, None] >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
    symbols = modulation.map(labels.reshape(-1))
    np.testing.assert_allclose(symbols, points(bits), atol=1e-6)
    assert np.mean(np.abs(symbols) ** 2) == pytest.approx(1, abs=1e-6)
    # Gray: nearest neighbours differ in one bit
    for a in range(2**bits):
        distance = np.abs(symbols - symbols[a])
        nearest = np.flatnonzero(distance < 1.01 * np.min(distance[distance > 0]))
        assert all((a ^ b).bit_count() == 1 for b in nearest.tolist() if b != a)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_soft_bits_are_the_exact_max_log_ratios(bits):
    rng = np.random.default_rng(9)
    symbols = (rng.standard_normal(3000) + 1j * rng.standard_normal(3000)).astype(np.complex64)
    noise_var = rng.uniform(0.05, 3, 3000).astype(np.float32)
    llr = kernels.modulation(bits).demap(symbols, noise_var)
    np.testing.assert_allclose(llr, max_log(symbols, noise_var, bits), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_soft_bits_are_positive_for_ones(bits):
    rng = np.random.default_rng(10)
    sent = rng.integers(0, 2, 600 * bits, np.uint8)
    modulation = kernels.modulation(bits)
    llr = modulation.demap(modulation.map(sent), np.full(600, 0.1, np.float32))
    np.testing.assert_array_equal(llr > 0, sent == 1)


def test_soft_bits_of_what_is_lost_say_nothing():
    values = [(0.5, np.inf), (0.5, np.nan), (np.nan, 0.1), (np.inf, 0.1), (1e30, 1e-30), (0.5, -1.0)]
    for bits in (1, 2, 4, 6, 8):
        symbols, noise_var = (np.array(v) for v in zip(*values, strict=True))
        llr = kernels.modulation(bits).demap(symbols.astype(np.complex64), noise_var.astype(np.float32))
        assert np.isfinite(llr).all()
        for lost in (0, 1, 2, 3):
            assert not llr[lost * bits : (lost + 1) * bits].any()


def test_modulation_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="1, 2, 4, 6 or 8 bits, not 3"):
        kernels.modulation(3)
    with pytest.raises(ValueError, match="whole symbols"):
        kernels.modulation(4).map(np.zeros(6, np.uint8))
    with pytest.raises(ValueError, match="one noise variance for each"):
        kernels.modulation(4).demap(np.zeros(6, np.complex64), np.zeros(5, np.float32))


def test_scrambler_is_the_gold_sequence_of_the_standard():
    """TS 38.211 section 5.2.1 by its recursions: x1 and x2 of 31 bits, 1600 discarded."""
    n, discarded = 500, 1600
    for seed in (0, 1, 0x12345678, 0x7FFFFFFF):
        x1 = [1] + [0] * 30
        x2 = [seed >> i & 1 for i in range(31)]
        for i in range(n + discarded):
            x1.append((x1[i + 3] + x1[i]) % 2)
            x2.append((x2[i + 3] + x2[i + 2] + x2[i + 1] + x2[i]) % 2)
        expected = [(x1[i + discarded] + x2[i + discarded]) % 2 for i in range(n)]
        np.testing.assert_array_equal(kernels.gold_sequence(seed, n), expected)
    for seed in (-1, 2**31):
        with pytest.raises(ValueError, match="31 bits"):
            kernels.gold_sequence(seed, 8)


# ------------------------------------------------------------------------------------------------- groups and messages


def clear_snr(scheme) -> float:
    """Es/N0 in dB at which nothing is lost: above capacity by more than the shortest blocks of each code need."""
    return 10 * np.log10(2**scheme.efficiency - 1) + {"ldpc": 6, "cc": 8, "none": 20}[scheme.code]


def through_noise(rng: np.random.Generator, symbols: np.ndarray, snr_db: float) -> tuple[np.ndarray, np.ndarray]:
    variance = 10 ** (-snr_db / 10)
    noise = rng.standard_normal((len(symbols), 2)) @ [1, 1j] * np.sqrt(variance / 2)
    return (symbols + noise).astype(np.complex64), np.full(len(symbols), variance, np.float32)


@pytest.mark.parametrize("index", TABLE)
def test_group_round_trip_at_every_mcs(index):
    rng = np.random.default_rng(index)
    scheme = mcs_of(index)
    for size in (0, 1, 700, 4000):
        data = rng.bytes(size)
        symbols = group.encode(data, scheme, group.symbols_for(size, scheme), seed=size)
        assert symbols.dtype == np.complex64
        got = group.decode(*through_noise(rng, symbols, clear_snr(scheme)), scheme, seed=size)
        assert (got.data, got.holes, got.blocks_lost, got.intact) == (data, (), 0, size)


@pytest.mark.parametrize("index", TABLE)
def test_group_is_no_larger_than_it_must_be(index):
    scheme = mcs_of(index)
    for size in (0, 1, 33, 1000, 1052, 5000):
        symbols = group.symbols_for(size, scheme)
        assert group.capacity(symbols, scheme) >= size
        assert group.layout(symbols - 1, scheme).capacity < size
        with pytest.raises(BadInput, match="do not fit"):
            group.encode(bytes(size), scheme, symbols - 1, 0)


def test_group_symbols_have_unit_power_and_hide_the_data():
    """Zeros in do not make equal symbols out."""
    symbols = group.encode(bytes(4000), mcs_of(12), group.symbols_for(4000, mcs_of(12)), 5)
    assert np.mean(np.abs(symbols) ** 2) == pytest.approx(1, abs=0.03)
    assert abs(np.mean(symbols)) < 0.05


def test_group_needs_the_seed_it_was_made_with():
    scheme = mcs_of(5)
    symbols = group.encode(b"meaning", scheme, group.symbols_for(7, scheme), 1)
    got = group.decode(*through_noise(np.random.default_rng(0), symbols, 20), scheme, 2)
    assert got.blocks_lost == got.blocks == 1


@pytest.mark.parametrize("index", [4, 34])
def test_group_says_which_bytes_are_lost(index):
    scheme, size = mcs_of(index), 6000
    data = np.random.default_rng(1).bytes(size)
    total = group.symbols_for(size, scheme)
    plan = group.layout(total, scheme)
    share = plan.block_bytes - group.CRC_BYTES
    assert plan.blocks >= 6
    symbols, noise_var = through_noise(np.random.default_rng(2), group.encode(data, scheme, total, 3), 20)
    for block in (1, 4):
        noise_var[block * plan.block_symbols : (block + 1) * plan.block_symbols] = np.inf
    got = group.decode(symbols, noise_var, scheme, 3)
    holes = tuple((b * share - 3, (b + 1) * share - 3) for b in (1, 4))
    assert (got.holes, got.blocks_lost, got.intact, len(got.data)) == (holes, 2, share - 3, size)
    expected = bytearray(data)
    for start, end in holes:
        expected[start:end] = bytes(end - start)
    assert got.data == expected


def test_group_without_its_first_block_has_no_length():
    scheme, size = mcs_of(4), 3000
    data = np.random.default_rng(3).bytes(size)
    total = group.symbols_for(size, scheme)
    plan = group.layout(total, scheme)
    symbols, noise_var = through_noise(np.random.default_rng(4), group.encode(data, scheme, total, 0), 20)
    noise_var[: plan.block_symbols] = np.inf
    got = group.decode(symbols, noise_var, scheme, 0)
    first = plan.block_bytes - group.CRC_BYTES - group.LENGTH_BYTES
    assert (got.holes, got.intact) == (((0, first),), 0)
    assert got.data[first:size] == data[first:]


def test_group_refuses_what_cannot_be():
    with pytest.raises(BadInput, match="16777216 bytes cannot be sent at once"):
        group.symbols_for(2**24, mcs_of(5))
    with pytest.raises(BadInput, match="a group of 3 symbols is too short for MCS 0"):
        group.decode(np.zeros(3, np.complex64), np.ones(3, np.float32), mcs_of(0), 0)
    for index in (-1, 40, 47, 53, 63):
        with pytest.raises(BadInput, match=f"there is no MCS {index}; choose 0 to 31"):
            mcs_of(index)


@pytest.mark.parametrize(("size", "index"), [(0, 0), (1, 3), (2000, 0), (30000, 9), (30000, 39), (3000, 48)])
def test_message_round_trip(size, index):
    rng = np.random.default_rng(size)
    data, scheme = rng.bytes(size), mcs_of(index)
    sent = message.bursts(data, scheme, image_id=77)
    assert len({len(symbols) for _, symbols in sent}) == 1 and len(sent[0][1]) <= MAX_FRAGMENT
    span = sent[0][0]
    assert (span.first, span.depth, span.length) == (0, len(sent), len(sent[0][1]))
    parts = {i: through_noise(rng, symbols, clear_snr(scheme)) for i, (_, symbols) in enumerate(sent)}
    got = message.received(parts, span, image_id=77)
    assert (got.data, got.holes) == (data, ())
    assert message.received(parts, span, image_id=78).blocks_lost == got.blocks


def test_message_survives_a_lost_burst_where_the_code_has_room():
    """One burst of eight at rate 0.3: an erased eighth is less than the code takes."""
    rng = np.random.default_rng(5)
    data, scheme = rng.bytes(2400), mcs_of(2)
    sent = message.bursts(data + rng.bytes(message.budget(8 * MAX_FRAGMENT, scheme) - 2400), scheme, 1)
    assert len(sent) == 8
    parts = {i: through_noise(rng, symbols, 5) for i, (_, symbols) in enumerate(sent) if i != 3}
    got = message.received(parts, sent[0][0], 1)
    assert got.blocks_lost == 0 and got.data[:2400] == data
    assert message.received({i: parts[i] for i in (0, 1)}, sent[0][0], 1).blocks_lost == got.blocks


def test_message_of_several_groups():
    scheme = mcs_of(0)
    one = group.capacity(message.MAX_BURSTS * MAX_FRAGMENT, scheme)
    groups = message.spans(one + 1, scheme)
    assert len(groups) == 2 and [g.first for g in groups] == [0, groups[0].depth]
    assert len({g.seed(9) for g in groups}) == 2
    assert sum(message.share(one + 1, 2, i) for i in (0, 1)) == one + 1
    for g, size in zip(groups, (message.share(one + 1, 2, i) for i in (0, 1)), strict=True):
        assert group.capacity(g.symbols, scheme) >= size
    with pytest.raises(BadInput, match="more than the 4095 that the header counts"):
        message.spans(20 * one, scheme)
    with pytest.raises(BadInput, match="more than the 256 of a group"):
        message.span_for(2 * one, scheme)


@pytest.mark.parametrize("index", [0, 9, 27, 34, 50])
def test_message_budget_is_what_goes_in(index):
    """As many bytes as the budget says take no more channel uses than allowed; and a budget is used up."""
    scheme = mcs_of(index)
    for symbols in (500, 4096, 5000, 16384, 40001):
        size = message.budget(symbols, scheme)
        spans = message.spans(size, scheme)
        assert sum(s.symbols for s in spans) <= symbols
        assert size >= group.capacity(symbols - 64, scheme) * 0.97
