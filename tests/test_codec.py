# SPDX-License-Identifier: GPL-3.0-or-later
"""Conventional image codecs: budgets, prefixes, damage, lies; and their blocks."""

from __future__ import annotations

import random
import tracemalloc
from io import BytesIO
from itertools import pairwise

import numpy as np
import pmt
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.codec import CODECS, avif, decode, encode, jpeg, jpeg2000, packets, picture, search
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.image import io, metrics
from PIL import Image


@pytest.fixture(scope="module")
def photograph():
    """A photograph whose sides are odd: uint8 [181,211,3]."""
    image = Image.fromarray(io.load(semcom.sample_image()))
    return np.asarray(image.resize((211, 240), Image.Resampling.LANCZOS))[:181].copy()


@pytest.fixture(scope="module")
def coded(photograph):
    """The photograph in 6,000 bytes, by codec."""
    return {name: encode(photograph, name, 6000) for name in CODECS}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 1), (16, 64), (181, 211)])
def test_budgets_are_kept_and_more_bytes_are_better(photograph, name, size):
    image = np.asarray(Image.fromarray(photograph).resize(size[::-1]))
    quality, fits = [], 0
    for budget in (1, 12, 60, 250, 900, 4000):
        try:
            found = encode(image, name, budget)
        except BadInput as error:
            # a picture that fits into few bytes fits into more
            assert "even at an eighth of its size" in str(error) and not fits
            assert int(str(error).split(" takes ")[1].split()[0]) > budget
            continue
        fits += 1
        got = decode(found.data, *size)
        assert len(found.data) <= budget and found.codec == name
        assert got.complete and got.image.shape == image.shape and got.image.dtype == np.uint8
        quality.append(metrics.psnr(image, got.image))
    assert fits >= (1 if name == "jpeg" else 2)
    assert all(b >= a - 0.1 for a, b in pairwise(quality))


@pytest.mark.parametrize(("name", "low"), [("jpeg", 29.0), ("jpeg2000", 30.5), ("avif", 31.5)])
def test_most_of_the_budget_is_used_and_well(photograph, coded, name, low):
    assert 0.9 * 6000 < len(coded[name].data) <= 6000
    assert metrics.psnr(photograph, decode(coded[name].data, 181, 211).image) > low


@pytest.mark.parametrize(("name", "budget"), [("jpeg", 800), ("avif", 160)])
def test_a_smaller_picture_is_sent_where_it_is_better(photograph, name, budget):
    module = picture._CODECS[name]
    found = encode(photograph, name, budget)
    assert found.reduction > 0 and found.data[0] == CODECS.index(name) << 2 | found.reduction
    got = metrics.psnr(photograph, decode(found.data, 181, 211).image)
    try:
        full = module.encode(Image.fromarray(photograph), budget - 1)[0]
    except search.DoesNotFit:
        return
    assert got > metrics.psnr(photograph, decode(bytes([CODECS.index(name) << 2]) + full, 181, 211).image)


def test_jpeg_2000_stays_at_full_size_down_to_few_bytes(photograph):
    """The wavelet is what a smaller picture is to the others; only where nothing else fits the size is reduced."""
    assert encode(photograph, "jpeg2000", 60).reduction == 0
    tiny = np.asarray(Image.fromarray(photograph).resize((5, 7)))
    found = encode(tiny, "jpeg2000", 16)
    assert found.reduction == 3 and decode(found.data, 7, 5).image.shape == (7, 5, 3)


def test_few_encoder_calls(monkeypatch, photograph):
    calls = []
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda self, *a, **k: (calls.append(a[1]), save(self, *a, **k))[1])
    for budget in (2000, 6000, 15000):
        encode(photograph, "avif", budget)
        encode(photograph, "jpeg2000", budget)
    assert calls.count("AVIF") <= 3 * 6 and calls.count("JPEG2000") <= 3 * 6


@pytest.mark.parametrize("growth", [search.Growth(20, 0.06, near=2.0), None], ids=["secant", "middle"])
def test_the_search_finds_the_largest_setting_that_fits(growth):
    def sizes(power):
        return [int(20 + (s + 1) ** power) for s in range(64)]

    for table in (sizes(1), sizes(2.5), [50] * 64, [10] * 30 + [5000] * 34):
        for budget in (30, 51, 64, 700, 6000, 10**6):
            fitting = [setting for setting, size in enumerate(table) if size <= budget]
            if fitting:
                found = search.finest_within(lambda s, t=table: bytes(t[s]), budget, 63, growth)
                assert found == (bytes(table[fitting[-1]]), fitting[-1])
            else:
                with pytest.raises(search.DoesNotFit):
                    search.finest_within(lambda s, t=table: bytes(t[s]), budget, 63, growth)


@pytest.mark.parametrize("name", CODECS)
def test_nothing_but_the_picture_is_in_the_bytes(photograph, coded, name):
    data = encode(photograph, name, 6000).data
    assert data == coded[name].data
    for word in (b"Exif", b"ICC_PROFILE", b"http", b"Created by", b"x:xmp", b"ftyp", b"colr"):
        assert word not in data


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000"])
def test_any_beginning_is_a_picture(photograph, coded, name):
    data, quality = coded[name].data, []
    for percent in range(15, 100, 5):
        intact = len(data) * percent // 100
        got = decode(data, 181, 211, intact)
        assert not got.complete
        assert np.array_equal(decode(data[:intact], 181, 211).image, got.image)
        # what follows the sound bytes must not matter
        damaged = data[:intact] + bytes(b ^ 0x55 for b in data[intact:])
        assert np.array_equal(decode(damaged, 181, 211, intact).image, got.image)
        quality.append(metrics.psnr(photograph, got.image))
    whole = metrics.psnr(photograph, decode(data, 181, 211, len(data)).image)
    assert quality[0] > 16 and quality[-1] > 28 and quality[-1] < whole
    assert all(b >= a - 0.3 for a, b in pairwise(quality))


def test_of_avif_a_part_is_nothing(coded):
    data = coded["avif"].data
    for percent in range(0, 100, 5):
        with pytest.raises(BadInput, match=r"no whole AVIF picture|nothing of the picture"):
            decode(data, 181, 211, len(data) * percent // 100)


@pytest.mark.parametrize("name", CODECS)
def test_flipped_bits_give_a_picture_or_a_sentence(coded, name):
    rng, decoded = random.Random(5), 0
    for _ in range(200):
        damaged = bytearray(coded[name].data)
        for _ in range(rng.choice([1, 4, 40])):
            damaged[rng.randrange(1, len(damaged))] ^= 1 << rng.randrange(8)
        try:
            assert decode(bytes(damaged), 181, 211).image.shape == (181, 211, 3)
            decoded += 1
        except BadInput as error:
            assert "\n" not in str(error) and "0x" not in str(error)
    assert decoded > 100


def test_random_bytes_give_a_sentence():
    rng = random.Random(6)
    for _ in range(500):
        data = bytes([rng.choice([0, 1, 4, 5, 8, 11, rng.randrange(256)])]) + rng.randbytes(rng.randrange(400))
        try:
            assert decode(data, 33, 17).image.shape == (33, 17, 3)
        except BadInput:
            continue
        assert data[0] >> 2 == CODECS.index("jpeg2000")  # whose packets have no headers that could be wrong


def test_random_packets_of_jpeg_2000_give_a_picture_or_a_sentence():
    rng, decoded = random.Random(7), 0
    for _ in range(300):
        try:
            data = b"\x04" + jpeg2000._prefix(33, 17, rng.randrange(1, 16)) + rng.randbytes(rng.randrange(400))
            assert decode(data, 33, 17).image.shape == (33, 17, 3)
            decoded += 1
        except BadInput:
            continue
    assert decoded > 20


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [(181, 212), (180, 211), (211, 181), (1, 1), (4096, 8192)])
def test_a_stream_of_another_size_is_refused_before_anything_is_allocated(coded, name, size):
    tracemalloc.start()
    with pytest.raises(BadInput, match=r"is not that of|no whole"):
        decode(coded[name].data, *size)
    assert tracemalloc.get_traced_memory()[1] < 2**17
    tracemalloc.stop()


def avif_of(size: tuple[int, int], **options) -> bytes:
    """The AV1 stream of a black picture."""
    out = BytesIO()
    Image.new("RGB", size[::-1]).save(out, "AVIF", **({"subsampling": "4:4:4", "quality": 10} | options))
    return out.getvalue()[out.getvalue().index(b"mdat") + 4 :]


@pytest.mark.parametrize(
    "stream",
    [
        avif_of((181, 211), subsampling="4:2:0"),
        avif_of((4000, 4000)),
        avif_of((181, 211)) * 2,
        avif_of((181, 211))[2:] + avif_of((181, 211))[2:],
        b"\x12\x00" * 1000,
    ],
    ids=["420", "larger", "twice", "two frames", "no frame"],
)
def test_av1_that_our_encoder_does_not_make_is_refused(stream):
    with pytest.raises(BadInput, match=r"is not that of 211x181|no whole AVIF picture"):
        decode(b"\x08" + stream, 181, 211)


def test_a_jpeg_of_a_thousand_scans_is_refused_or_cut(coded):
    """Each scan costs the decoder a pass over the whole picture."""
    data = coded["jpeg"].data[1:]
    scan = data.rindex(b"\xff\xda")
    bomb = data[:scan] + data[scan:-2] * 1000 + b"\xff\xd9"
    stream, whole = jpeg.readable(bomb, 181, 211)
    assert not whole and stream.count(b"\xff\xda") <= 10


def test_the_file_that_is_written_around_av1_is_the_encoders(photograph):
    out = BytesIO()
    Image.fromarray(photograph).save(out, "AVIF", quality=30, speed=8, subsampling="4:4:4", codec="aom", max_threads=1)
    stream = out.getvalue()[out.getvalue().index(b"mdat") + 4 :]
    assert avif.readable(stream, 181, 211)[0] == out.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 300), (9, 9), (16, 40), (33, 65), (181, 211), (300, 1)])
def test_packets_of_jpeg_2000_end_where_they_end(photograph, size):
    """The headers are those the encoder wrote, and the packets fill the stream to its last byte, in every prefix."""
    image = Image.fromarray(photograph).resize(size[::-1])
    data, _ = jpeg2000.encode(image, 3000)
    levels = jpeg2000._levels(*size)
    layers, sent = data[1] & 15, data[2:]
    total = layers * 3 * (levels + 1)
    assert packets.whole_packets(sent, *size, levels, layers) == (total, len(sent))
    assert jpeg2000.readable(data, *size)[1]
    counts = [packets.whole_packets(sent[:n], *size, levels, layers)[0] for n in range(0, len(sent), 7)]
    assert counts == sorted(counts) and counts[-1] < total


def test_an_encoder_that_writes_other_headers_is_noticed(monkeypatch, photograph):
    monkeypatch.setattr(jpeg2000, "_STEPS", ((1, 2, 3),) * 5)
    with pytest.raises(Missing, match="headers that the receiver does not know"):
        encode(photograph, "jpeg2000", 5000)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda image: encode(image, "webp", 1000), "no codec 'webp'"),
        (lambda image: encode(image, "avif", 0), "budget of 0 bytes"),
        (lambda image: encode(image, "avif", True), "budget of True bytes"),
        (lambda image: encode(image[..., 0], "avif", 1000), r"must be uint8 \[H,W,3\]"),
        (lambda image: encode(image.astype(float), "jpeg", 1000), "must be uint8"),
        (lambda image: encode(np.zeros((0, 4, 3), np.uint8), "jpeg", 1000), "cannot be sent"),
        (lambda image: decode(b"", 10, 10), "nothing of the picture"),
        (lambda image: decode(b"\x08", 10, 10), "nothing of the picture"),
        (lambda image: decode(b"\x0cabc", 10, 10), "names no codec"),
        (lambda image: decode(b"\xffabc", 10, 10), "names no codec"),
        (lambda image: decode(b"\x04\x00abc", 10, 10), "is not that of 10x10"),
        (lambda image: decode(b"\x08abc", 0, 10), "cannot be sent"),
        (lambda image: decode(b"\x08abc", 32768, 10), "cannot be sent"),
        (lambda image: decode(b"\x08abc", 10**9, 10**9), "cannot be sent"),
        (lambda image: decode(b"\x08abc", 10, 10, 5), "cannot be sound"),
        (lambda image: decode(b"\x08abc", 10, 10, -1), "cannot be sound"),
    ],
)
def test_what_cannot_be_gets_a_sentence(photograph, call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call(photograph)


class link(gr.basic_block):
    """Changes the metadata and the payload of PDUs on their way."""

    def __init__(self, change):
        gr.basic_block.__init__(self, name="link", in_sig=None, out_sig=None)
        self.change = change
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self.handle)

    def handle(self, msg):
        self.message_port_pub(pmt.intern("out"), self.change(msg))


def through_blocks(folder, encoder, to_encoder=lambda msg: msg, to_decoder=lambda msg: msg):
    """Results of Image Source -> link -> encoder -> link -> decoder -> Image Sink, and the images."""
    source, decoder, sink = semcom.image_source(str(folder), 1, 2), semcom.image_codec_decoder(), semcom.image_sink("")
    first, second = link(to_encoder), link(to_decoder)
    images = []
    sink._collect = lambda port, image, meta, collect=sink._collect: (images.append(image), collect(port, image, meta))
    tb = gr.top_block()
    tb.msg_connect(source, "image", first, "in")
    tb.msg_connect(first, "out", encoder, "image")
    tb.msg_connect(encoder, "bytes", second, "in")
    tb.msg_connect(second, "out", decoder, "bytes")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.run()
    return sink.results, images


@pytest.fixture
def folder(tmp_path, photograph):
    for index in range(3):
        Image.fromarray(photograph[index:]).save(tmp_path / f"picture{index}.png")
    return tmp_path


@pytest.mark.parametrize("name", CODECS)
def test_blocks_carry_the_image_and_its_metadata(folder, photograph, name):
    seen = []
    results, images = through_blocks(
        folder, semcom.image_codec_encoder(name, 3000), to_decoder=lambda msg: (seen.append(msg), msg)[1]
    )
    assert [r["name"] for r in results] == ["picture0", "picture1", "picture2"]
    for index, (result, image, msg) in enumerate(zip(results, images, seen, strict=True)):
        sent = encode(photograph[index:], name, 3000).data
        meta = pdus.meta_of(msg)
        assert pdus.to_bytes(msg) == sent and meta["bytes"] == len(sent) and meta["scheme"] == 6
        assert (meta["height"], meta["width"]) == (181 - index, 211) and "channels" not in meta
        assert result["complete"] == 1 and np.array_equal(image, decode(sent, 181 - index, 211).image)


def with_meta(msg, **keys):
    meta = pmt.car(msg)
    for key, value in keys.items():
        meta = pmt.dict_add(meta, pmt.intern(key), pmt.from_long(value))
    return pmt.cons(meta, pmt.cdr(msg))


def test_the_budget_of_the_image_and_what_is_intact(folder):
    results, images = through_blocks(
        folder,
        semcom.image_codec_encoder("jpeg2000"),
        lambda msg: with_meta(msg, budget=2500),
        lambda msg: with_meta(msg, intact=1200),
    )
    assert len(images) == 3
    assert all(r["complete"] == 0 and r["intact"] == 1200 and 2300 < r["bytes"] <= 2500 for r in results)


def test_what_cannot_be_decoded_is_still_acknowledged(folder):
    results, images = through_blocks(
        folder, semcom.image_codec_encoder("avif", 2000), to_decoder=lambda msg: with_meta(msg, intact=500)
    )
    assert len(results) == 3 and images == [None] * 3 and all("no whole AVIF" in r["error"] for r in results)


def test_the_encoder_tells_what_it_will_not_send(photograph):
    encoder, out = semcom.image_codec_encoder("jpeg"), []
    encoder.publish = lambda port, msg: out.append((port, msg))
    message = pdus.from_image(photograph, {"image_id": 7})
    encoder._take("image", message)
    encoder._take("image", with_meta(message, budget=20))
    encoder._take("image", pdus.failure({"image_id": 8}, "given up upstream"))
    told = [pdus.dictionary(msg) for port, msg in out if port == "failed"]
    assert [t["image_id"] for t in told] == [7, 7, 8]
    assert "without the integer key budget" in told[0]["error"] and "raise the budget" in told[1]["error"]
    assert [pdus.meta_of(msg)["error"] for port, msg in out if port == "bytes"] == [t["error"] for t in told]
    encoder.set_budget(3000)
    encoder.set_codec("avif")
    encoder._take("image", message)
    assert pdus.to_bytes(out[-1][1])[0] >> 2 == CODECS.index("avif")
    with pytest.raises(BadInput, match="no codec"):
        encoder.set_codec("gif")
    with pytest.raises(BadInput, match="budget of -1 bytes"):
        encoder.set_budget(-1)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"height": None}, "without the integer key height"),
        ({"width": "wide"}, "without the integer key width"),
        ({"intact": 1.5}, "intact is no integer"),
        ({"intact": 10**6}, "cannot be sound"),
        ({"scheme": 0}, "scheme is not digital"),
        ({"height": 10**12}, "cannot be sent"),
    ],
)
def test_the_decoder_refuses_metadata_that_lies(coded, keys, sentence):
    decoder, out = semcom.image_codec_decoder(), []
    decoder.publish = lambda port, msg: out.append((port, msg))
    meta = {"image_id": 3, "height": 181, "width": 211} | keys
    meta = {k: v for k, v in meta.items() if v is not None}
    decoder._take("bytes", pdus.from_bytes(coded["jpeg"].data, meta))
    ((port, msg),) = out
    assert port == "image" and pdus.meta_of(msg)["image_id"] == 3 and sentence in pdus.meta_of(msg)["error"]


def test_a_pillow_without_avif_is_told_of_in_a_sentence(photograph, coded, monkeypatch):
    for table in (Image.OPEN, Image.SAVE):
        monkeypatch.delitem(table, "AVIF")
    scheme = semcom.schemes.get("digital")
    for use in (
        lambda: encode(photograph, "avif", 2000),
        lambda: decode(coded["avif"].data, *photograph.shape[:2]),
        lambda: scheme.load(scheme.Options()),
    ):
        with pytest.raises(Missing, match=r"no avif; install pillow 11\.3 or later, or choose jpeg or jpeg2000"):
            use()
    assert scheme.load(scheme.Options(codec="jpeg2000")) == {}
