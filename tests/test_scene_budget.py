# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene may take, how its sections are protected over a link, and what it is for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest
from gnuradio.semcom import digital, scene, schemes
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import metrics
from gnuradio.semcom.scene import ByteBudget, Protection, UseBudget, adapted
from gnuradio.semcom.scene.budget import uses
from gnuradio.semcom.scene.coding import container
from gnuradio.semcom.schemes import Conditions, ReceivedPart
from gnuradio.semcom.segment.classes import VOC
from gnuradio.semcom.segment.instances import SceneObject

DOG = VOC.index("dog")


class Segmenter:
    """A dog to the left."""

    classes = VOC
    weights = MappingProxyType({})

    def segment(self, image):
        labels = np.zeros(image.shape[:2], np.uint8)
        down, across = np.indices(labels.shape)
        labels[np.hypot((down - 70) / 40, (across - 45) / 30) < 1 + 0.2 * np.sin(down / 3)] = DOG
        return labels


class Writer:
    def caption(self, image, labels, instances):
        return "A dog on the grass."


@pytest.fixture
def photograph(smooth_image):
    image = smooth_image(128, 160, 3).astype(int)
    image[40:100, 20:70] += np.random.default_rng(5).integers(-60, 60, (60, 50, 3))
    return image.clip(0, 255).astype(np.uint8)


def encoder(**settings):
    return scene.SemanticEncoder(scene.EncoderSettings(boundaries=False, **settings), Segmenter(), writer=Writer())


def names(made):
    return [section.name for section in scene.sections(made)]


def test_room_is_what_fits_to_the_byte():
    made = scene.Scene(96, 128, "A dog.", np.zeros((96, 128), np.uint8), (SceneObject(DOG, (1, 2, 30, 40), 900),))
    assert ByteBudget(300).room(made, container.S_IMG) == 300 - len(scene.encode_scene(made))
    protection = Protection(0, 2, 6, 4)
    budget = UseBudget(9000, protection)
    own = sum(map(uses, scene.parts(made, protection)))
    for kind, index, least in ((container.S_IMG, 6, 1), (container.B_SEG, 2, 4)):
        room = budget.room(made, kind)
        mcs = digital.mcs_of(index)
        taken = [sum(span.symbols for span in digital.spans(size, mcs, least)) for size in (room, room + 1)]
        assert own + taken[0] <= 9000 < own + taken[1]
    # of the level that is there already, what it has is left out
    room = budget.room(made, container.A_SEG)
    (first,) = scene.parts(made, protection)
    bursts = [uses(replace(first, data=first.data + bytes(more))) for more in (room, room + 1)]
    assert bursts[0] <= 9000 < bursts[1]
    assert UseBudget(own - 1, protection).room(made, container.A_SEG) < 0


def test_protection_follows_the_link():
    """Never faster for what matters more, never slower for a better link, and slower where it fades."""

    def rates(snr_db, channel="awgn"):
        return [digital.mcs_of(index).efficiency for index in adapted(snr_db, channel).levels]

    before = [0.0] * 3
    for snr_db in range(-4, 25, 2):
        now = rates(float(snr_db))
        assert now == sorted(now) and all(a >= b for a, b in zip(now, before, strict=True))
        assert all(fading <= still for fading, still in zip(rates(float(snr_db), "rayleigh"), now, strict=True))
        before = now
    assert adapted(10.0).bursts == 4 and adapted(10.0, "rayleigh").bursts == 8 and adapted(10.0, bursts=6).bursts == 6
    # text and map go out at the low rates where nothing else would carry them
    assert digital.mcs_of(adapted(0.0, "rayleigh").semantics) in digital.LOW_RATE


def test_a_burst_that_is_not_heard_carries_nothing():
    mcs = digital.LOW_RATE[0]
    heard = digital.message_loss(-6.0, mcs)
    assert heard < 1e-3 and digital.message_loss(-6.0, mcs, unheard_db=-5.0) == 1
    fading = {"channel": "rayleigh", "depth": 1}
    # what a fade of one burst takes is then the share of the time below that
    assert digital.message_loss(0.0, mcs, **fading, unheard_db=-4.7) == pytest.approx(
        1 - np.exp(-(10**-0.47)), abs=0.03
    )


def test_low_rates_carry_bytes():
    for mcs in digital.LOW_RATE:
        (burst,) = {span.mcs for span, _ in digital.part_bursts(digital.ProtectedBytes(b"dog" * 20, mcs, 2))}
        assert burst == mcs
    rng = np.random.default_rng(1)
    sent = digital.part_bursts(digital.ProtectedBytes(b"dog" * 20, digital.LOW_RATE[0]))
    noise_var = 10**1.0  # -10 dB, where MCS 0 carries nothing
    got = {}
    for index, (_, symbols) in enumerate(sent):
        noise = rng.standard_normal((len(symbols), 2)) @ [1, 1j] * np.sqrt(noise_var / 2)
        got[index] = ((symbols + noise).astype(np.complex64), np.full(len(symbols), noise_var, np.float32))
    assert digital.received(got, sent[0][0]).data == b"dog" * 20


@pytest.mark.parametrize(
    ("purpose", "kinds"), [("caption", ["text"]), ("map", ["text", "A-seg", "boxes"])], ids=["caption", "map"]
)
def test_a_purpose_may_need_no_picture(photograph, purpose, kinds):
    assert names(encoder(purpose=purpose).encode(photograph)) == kinds


def test_the_picture_is_the_best_of_those_that_could_be_sent(photograph):
    """By PSNR: better than that of any other layout at the same budget; and told not to be painted over."""
    made = encoder(purpose="fidelity", budget=700).encode(photograph)
    assert len(scene.encode_scene(made)) <= 700 and made.painting == 0.0
    assert made.sub_images[0].box == (0, 0, 160, 128)
    usual = encoder(budget=700).encode(photograph)
    best, other = (metrics.psnr(photograph, scene.reconstruct(each)) for each in (made, usual))
    assert best > other + 1
    assert np.array_equal(scene.reconstruct(made, painter="auto"), scene.reconstruct(made))


def test_how_much_is_painted_is_what_the_eye_likes_best(photograph, monkeypatch):
    def nearer(made):
        return lambda told: -abs(-1.0 if told is None else told - 0.5) - 0.1 * len(made.sub_images)

    monkeypatch.setattr("gnuradio.semcom.scene.encoder.judge_of", lambda purpose: lambda image: nearer)
    made = encoder(purpose="perception", budget=700).encode(photograph)
    assert made.painting == 0.5 and len(made.sub_images) == 1
    came = scene.decode_scene(scene.encode_scene(made)).scene
    assert came.painting == 0.5
    whole = scene.reconstruct(replace(came, painting=1.0), painter="auto", strength=0.5)
    assert np.array_equal(scene.reconstruct(came, painter="auto"), whole)


def test_an_image_is_looked_at_once_whatever_the_budget(photograph):
    seen = []

    class Counting(Segmenter):
        def segment(self, image):
            seen.append(image.copy())
            return super().segment(image) if image[0, 0, 0] else np.zeros(image.shape[:2], np.uint8)

    photograph[0, 0, 0] = 9
    once = scene.SemanticEncoder(encoder(purpose="map").settings, Counting(), writer=Writer())
    made = [once.encode(photograph, ByteBudget(size)) for size in (2000, 30, 2000)]
    assert len(seen) == 1 and names(made[1]) == ["text"]
    assert np.array_equal(made[0].labels, made[2].labels) and made[0].labels.any()
    photograph[0, 0, 0] = 0  # in place
    assert not once.encode(photograph).labels.any() and len(seen) == 2


def test_too_little_makes_the_map_coarser_and_then_leaves_it_out(photograph):
    whole = encoder(purpose="map").encode(photograph)
    room = len(scene.encode_scene(whole))
    assert whole.labels.shape == (128, 160)
    coarse = encoder(purpose="map").encode(photograph, ByteBudget(room - 1))
    assert coarse.labels.shape < whole.labels.shape and len(scene.encode_scene(coarse)) < room
    assert names(encoder().encode(photograph, ByteBudget(30))) == ["text"]
    assert names(encoder().encode(photograph, ByteBudget(12))) == []
    with pytest.raises(BadInput, match="not even the head of a scene has room"):
        encoder().encode(photograph, UseBudget(8, Protection()))


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_a_rate_is_kept(photograph, monkeypatch, rate, channel):
    scheme = schemes.get("esisc")
    options = scheme.options({"purpose": "fidelity", "boundaries": False})
    monkeypatch.setattr("gnuradio.semcom.schemes.esisc._encoder", lambda _: encoder(purpose="fidelity"))
    image = np.kron(photograph, np.ones((2, 2, 1), np.uint8))
    sent = scheme.encode(image, Conditions(rate, 12.0, channel), options)
    bursts = schemes.bursts(sent, scheme, "a name that is long enough to need room of its own.png")
    taken = sum(len(symbols) for _, symbols in bursts)
    assert 0.8 * rate * image.size < taken <= rate * image.size
    decoder = scheme.decoder(sent.header, "plain")
    for index, part in enumerate(sent.parts):
        decoder.feed(ReceivedPart(index, part.payload, sent.header))
    assert decoder.finish().image.shape == image.shape


@pytest.mark.parametrize("wrong", ["0,2", "0,2,99", "auto,2,4", "a", "0,2,4,6", ""])
def test_protections_that_are_none(wrong):
    with pytest.raises(BadInput, match=r"^protection must be three MCS of the digital chain, such as 0,2,4, or auto"):
        schemes.get("esisc").options({"protection": wrong})
    assert schemes.get("esisc").options({"protection": "0, 2,31"}).protection_over(Conditions()).levels == (0, 2, 31)


def test_the_last_burst_ends_the_image_and_what_is_spread_goes_from_end_to_end():
    made = schemes.Transmission(
        (schemes.Part(bytes(300), 0, 0, 4), schemes.Part(bytes(200), 1, 2, 3), schemes.Part(bytes(9000), 2, 4)),
        schemes.get("esisc").encode.__globals__["ImageHeader"](96, 128, "esisc"),
    )
    order = [(header.part, header.fragment) for header, _ in schemes.bursts(made, schemes.get("esisc"))]
    assert order[:2] == [(0, 0), (1, 0)] and order[-3:] == [(0, 3), (1, 2), (2, order[-1][1])]
    for part in range(3):
        mine = [fragment for each, fragment in order if each == part]
        assert mine == sorted(mine)
    rows = [at for at, (part, _) in enumerate(order) if part == 2]
    firsts = [at for at, (part, _) in enumerate(order) if part == 0]
    assert all(any(a < row < b for row in rows) for a, b in pairwise(firsts))
