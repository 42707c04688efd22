# SPDX-License-Identifier: GPL-3.0-or-later
"""Reassembly as a plain object: bursts in, events out, in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from gnuradio.semcom.burst import (
    ANALOGUE,
    BurstHeader,
    Delivery,
    Dropped,
    Group,
    Idle,
    PartArrived,
    Place,
    Reassembly,
    Refusal,
    reassembly,
    split,
)
from gnuradio.semcom.errors import BadInput

TOTAL = 50  # symbols of a part of symbols


def place(header: BurstHeader) -> Place:
    """Scheme 9 sends 50 symbols in a part, or groups of bits; scheme 8 is refused, any other is a lie."""
    if header.scheme == 8:
        raise Refusal("scheme 8 cannot be decoded here")
    if header.scheme != 9:
        raise BadInput(f"there is no scheme {header.scheme}")
    if header.mcs == ANALOGUE:
        return Place(Group(0, header.fragments, TOTAL, header.mcs), (header.fragments, header.rate, header.scale))
    depth = header.rate + 1
    return Place(Group(header.scale, depth, depth * header.n_symbols, header.mcs), (header.fragments, header.mcs))


def bursts(fragments: int = 5, **fields) -> list[tuple[dict, np.ndarray]]:
    """The bursts of one part of symbols."""
    symbols = (np.arange(TOTAL) + 1j).astype(np.complex64)
    common = {"scheme": 9, "height": 4, "width": 6, "rate": 0, "scale": 0, "snr_enc": 10, "image_id": 1} | fields
    return [
        (common | {"fragment": i, "fragments": fragments, "noise_var": np.full(len(s), 0.1, np.float32)}, s)
        for i, s in enumerate(split(symbols, fragments))
    ]


def fed(gathering: Reassembly, sent) -> list:
    return [event for meta, symbols in sent for event in gathering.feed(meta, symbols)]


def kinds(events) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_whole_image_is_delivered_at_once_and_its_symbols_are_in_order():
    gathering = Reassembly(place)
    sent = bursts(name="dog", custom=3)
    order = np.random.default_rng(0).permutation(len(sent))
    events = fed(gathering, [sent[i] for i in order])
    assert kinds(events) == ["PartArrived", "Delivery"]
    part, delivery = events
    assert part.token == delivery.token and gathering.waiting == gathering.symbols == 0
    symbols, noise_var = delivery.parts[0].joined()
    np.testing.assert_array_equal(symbols, (np.arange(TOTAL) + 1j).astype(np.complex64))
    assert (noise_var == np.float32(0.1)).all()
    assert delivery.meta == {
        "name": "dog", "custom": 3, "image_id": 1, "height": 4, "width": 6, "lost": 0, "fragments": 5,
        "payload_uses": TOTAL, "air_uses": TOTAL, "groups": "5x10",
    }  # fmt: skip


def test_a_burst_reported_lost_counts_as_seen():
    gathering = Reassembly(place)
    (meta, symbols), *rest = bursts()
    del meta["noise_var"]
    events = fed(gathering, [(meta | {"n_symbols": len(symbols)}, symbols[:0]), *rest])
    assert kinds(events) == ["PartArrived", "Delivery"] and events[1].meta["lost"] == 1
    symbols, noise_var = events[1].parts[0].joined()
    assert np.isinf(noise_var).sum() == 10 and (symbols[np.isinf(noise_var)] == 0).all()


def test_what_the_channel_measured_is_summed_over_the_image():
    gathering = Reassembly(place)
    sent = [(m | {"signal_energy": 20.0, "noise_energy": 2.0, "pilots": 3}, s) for m, s in bursts()]
    (delivery,) = (e for e in fed(gathering, sent) if isinstance(e, Delivery))
    assert delivery.meta["snr_db"] == pytest.approx(10) and delivery.meta["air_uses"] == TOTAL + 15


@pytest.mark.parametrize(
    "other", [{"transmission": 5}, {"scale": 7}, {"weights_id": 3}, {"height": 5}, {"image_id": 2}, {"snr_enc": 3}]
)
def test_two_senders_are_told_apart(other):
    gathering = Reassembly(place)
    mixed = [burst for pair in zip(bursts(), bursts(**other), strict=True) for burst in pair]
    deliveries = [e for e in fed(gathering, mixed) if isinstance(e, Delivery)]
    assert [d.meta["lost"] for d in deliveries] == [0, 0] and not any(d.error for d in deliveries)


def test_the_same_number_again_is_another_image():
    gathering = Reassembly(place)
    events = fed(gathering, [*bursts()[:3], *bursts()])
    assert [(e.meta["lost"], e.error) for e in events if isinstance(e, Delivery)] == [(2, ""), (0, "")]


def test_an_image_waits_so_many_bursts_of_others_and_no_longer():
    gathering = Reassembly(place, timeout=4)
    events = fed(gathering, bursts()[:-1])
    assert events == [] and gathering.waiting == 1
    events = fed(gathering, bursts(image_id=2))
    assert [e.meta["image_id"] for e in events if isinstance(e, Delivery)] == [2, 1]
    with pytest.raises(BadInput, match="timeout must be 1 or more"):
        Reassembly(place, timeout=0)


def test_too_little_of_an_image_is_given_up():
    gathering = Reassembly(place)
    fed(gathering, bursts(25)[:1])
    (delivery,) = gathering.finish()
    assert delivery.error == "24 of 25 fragments of the image were lost, too many for a picture"
    lost, symbols = bursts(1)[0]
    del lost["noise_var"]
    (_, delivery) = gathering.feed(lost | {"n_symbols": TOTAL}, symbols[:0])
    assert delivery.error == "all 1 fragments of the image were lost"


def test_a_flush_waits_for_the_bursts_before_it():
    gathering = Reassembly(place)
    assert gathering.flush(3, 1000) == []
    events = fed(gathering, bursts()[:3])
    assert kinds(events) == ["Delivery"] and events[0].meta["lost"] == 2
    # a second silence with nothing in between is news
    assert gathering.flush(3, 2000) == [Idle(3, 2000)]
    assert gathering.flush() == [Idle(3, None)]


def test_parts_are_gathered_by_themselves():
    gathering = Reassembly(place)
    bits = {"mcs": 0, "rate": 1, "parts": 2, "part": 0}
    first = [(m | {"fragments": 2, "fragment": i, "n_symbols": 10}, s) for i, (m, s) in enumerate(bursts(**bits)[:2])]
    second = bursts(parts=2, part=1)
    events = fed(gathering, [second[0], *first, *second[1:]])
    assert kinds(events) == ["PartArrived", "PartArrived", "Delivery"]
    assert [e.part.header.part for e in events[:2]] == [0, 1]
    assert events[2].meta["groups"] == "7x10"
    assert [len(part.groups) for part in events[2].parts] == [1, 1]
    # of a part of which nothing arrived it is only known that it is missing
    fed(gathering, second)
    (delivery,) = gathering.finish()
    assert (delivery.meta["lost"], delivery.meta["fragments"], len(delivery.parts)) == (1, 6, 1)


def test_one_lying_burst_does_not_make_a_part_its_own():
    gathering = Reassembly(place)
    honest = [*bursts(parts=2, part=0), *bursts(parts=2, part=1)]
    lie = bursts(7, parts=2, part=1)[3]
    (delivery,) = (e for e in fed(gathering, [lie, *honest]) if isinstance(e, Delivery))
    assert delivery.meta["lost"] == 0 and [p.arrived for p in delivery.parts] == [5, 5]


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        ({"scheme": 7}, "there is no scheme 7"),
        ({"scheme": None}, "without scheme"),
        ({"fragment": 5}, "fragment 5 of 5"),
        ({"part": 3}, "part 3 of 1"),
        ({"parts": 9}, "parts is not an integer from 1 to 8"),
        ({"height": True}, "height is not an integer"),
        ({"n_symbols": 9}, "10 symbols arrived where 9 symbols belong"),
        ({"fragments": 7}, "belong"),
        ({"noise_var": np.ones(3, np.float32)}, "not one number for each symbol"),
        ({"noise_energy": float("nan")}, "noise_energy is not a number"),
        ({"mcs": 0, "rate": 9}, "does not belong to a group of 10 from 0"),
    ],
)
def test_a_burst_that_lies_is_dropped_with_one_sentence(lie, sentence):
    gathering = Reassembly(place)
    meta, symbols = bursts()[0]
    lying = {k: v for k, v in (meta | lie).items() if v is not None}
    (event,) = gathering.feed(lying, symbols)
    assert isinstance(event, Dropped) and sentence in event.sentence and "\n" not in event.sentence
    assert gathering.waiting == gathering.symbols == 0
    assert kinds(fed(gathering, bursts())) == ["PartArrived", "Delivery"]


def test_what_is_refused_is_said_once_and_given_up_when_it_is_over():
    gathering = Reassembly(place)
    events = fed(gathering, [*bursts(scheme=8), *bursts(scheme=8, image_id=2)])
    assert kinds(events) == ["Dropped", "Delivery", "Delivery"]
    assert all(e.error == "scheme 8 cannot be decoded here" for e in events[1:])
    assert gathering.symbols == gathering.waiting == 0
    fed(gathering, bursts(scheme=8)[:2])
    assert [e.error for e in gathering.finish()] == ["scheme 8 cannot be decoded here"]


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_PENDING", 3), ("MAX_SYMBOLS", 3 * (10 + 2 * reassembly.OVERHEAD) + 5)]
)
def test_what_waits_is_bounded(monkeypatch, limit, value):
    monkeypatch.setattr(reassembly, limit, value)
    gathering = Reassembly(place)
    events = fed(gathering, [bursts(image_id=number)[0] for number in range(10)])
    assert gathering.waiting == 3 and [e.meta["image_id"] for e in events] == list(range(7))


def test_bursts_of_one_symbol_are_held_as_what_they_cost():
    """Of as many images as wait at once, each of as many fragments as there can be."""
    gathering = Reassembly(place)
    (meta, _), *_ = bursts(1)
    del meta["noise_var"]
    symbol = np.ones(1, np.complex64)
    for fragment in range(40):
        for number in range(100):
            lie = {"mcs": 0, "rate": 0, "scale": fragment, "fragment": fragment, "fragments": 4095}
            gathering.feed(meta | lie | {"image_id": number, "n_symbols": 1}, symbol)
    assert gathering.waiting == 100 and gathering.symbols == 4000 * (1 + 2 * reassembly.OVERHEAD)
    gathering.finish()
    assert gathering.waiting == gathering.symbols == 0


def test_of_what_is_refused_nothing_is_kept():
    """However many bursts of it arrive, and its own bursts are counted once each."""
    gathering = Reassembly(place)
    tracemalloc.start()
    try:
        for number in range(20):
            sent = bursts(50, scheme=8, image_id=number)[1:]
            assert kinds(fed(gathering, [*sent, *sent])) == ["Dropped"] * (number == 0)
        del sent
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000
    assert [event.meta["lost"] for event in gathering.finish()] == [50] * 20


def copied(burst):
    """The same header with other symbols."""
    meta, symbols = burst
    return meta, -symbols


def is_honest(delivery: Delivery) -> bool:
    return (delivery.parts[0].joined()[0] == (np.arange(TOTAL) + 1j).astype(np.complex64)).all()


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("behind", [0, 3], ids=["at_once", "later"])
@pytest.mark.parametrize("times", [1, 2, 9])
def test_whoever_copies_headers_takes_nothing_from_an_image_that_is_here(every, behind, times):
    gathering, honest, events = Reassembly(place), bursts(10), []
    for i, burst in enumerate(honest):
        events += gathering.feed(*burst)
        if i >= behind and i % every == 0:
            events += fed(gathering, [copied(honest[i - behind])] * times)
    whole = [event for event in events if isinstance(event, Delivery) and not event.meta["lost"]]
    assert len(whole) >= 1 and is_honest(whole[0])
    gathering.finish()
    assert gathering.waiting == gathering.symbols == 0


def test_who_was_first_is_not_always_honest():
    gathering, honest = Reassembly(place), bursts(10)
    events = fed(gathering, [copied(honest[0]), *honest])
    whole = [event for event in events if isinstance(event, Delivery)]
    assert [event.meta["lost"] for event in whole] == [0, 0] and sum(map(is_honest, whole)) == 1
    assert gathering.waiting == gathering.symbols == 0


def test_an_image_that_begins_anew_takes_nothing_of_the_last():
    """Of a sender that gives all its images one number: each loses another burst."""
    gathering, events = Reassembly(place), []
    for lost in (3, 0, 6, 9, 4):
        events += fed(gathering, [burst for i, burst in enumerate(bursts(10, name=f"{lost}")) if i != lost])
        events += fed(gathering, bursts(10, name="whole"))
    found = [event for event in [*events, *gathering.finish()] if isinstance(event, Delivery)]
    assert len(found) == 10 and sum(event.meta["lost"] for event in found) == 5
    assert sum(event.meta["name"] == "whole" and not event.meta["lost"] for event in found) >= 4


def test_bits_of_another_group_do_not_take_a_place():
    gathering = Reassembly(place)

    def burst(fragment, first, depth, length=10):
        meta = {"mcs": 0, "rate": depth - 1, "scale": first, "fragment": fragment, "fragments": 4}
        (common, _), *_ = bursts(1)
        del common["noise_var"]
        return common | meta | {"n_symbols": length}, np.full(length, depth, np.complex64)

    lies = [burst(1, 1, 3), burst(0, 0, 4), burst(3, 3, 1, 7)]
    honest = [burst(i, i // 2 * 2, 2) for i in range(4)]
    events = fed(gathering, [*lies, *honest])
    assert kinds(events) == ["PartArrived", "Delivery"] and events[1].meta["groups"] == "4x10"
    assert all((s == 2).all() for _, got in events[1].parts[0].groups for s, _ in got.values())
    # nor from a part that is whole while others are waited for
    honest = [({**meta, "parts": 2}, symbols) for meta, symbols in honest]
    lies = [(meta | {"parts": 2}, symbols) for meta, symbols in (burst(i, 0, 4) for i in range(3))]
    last = bursts(parts=2, part=1)
    delivery = fed(gathering, [*honest, *lies, *last])[-1]
    assert isinstance(delivery, Delivery) and delivery.meta["lost"] == 0
    assert all((s == 2).all() for _, got in delivery.parts[0].groups for s, _ in got.values())
    # and no more contradictions are kept than there could be groups
    liars = [burst(0, 0, 1, length) for length in range(1, 60)]
    assert kinds(fed(gathering, liars)).count("Dropped") == 59 - (4 + reassembly.MAX_IDENTITIES)


def test_contradictions_about_a_part_are_bounded():
    gathering = Reassembly(place)
    liars = [bursts(parts=2, part=1, scale=scale)[0] for scale in range(40)]
    events = fed(gathering, liars)
    assert kinds(events) == ["Dropped"] * (40 - reassembly.MAX_IDENTITIES) and gathering.waiting == 1
    assert not any(isinstance(event, PartArrived) for event in events)
