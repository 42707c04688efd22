# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sends no more than others take: credits of pictures, in every order in which threads can tell of them."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pmt
import pytest
from gnuradio import semcom
from gnuradio.semcom.blocks import image_source
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.credits import MAX_OWED, Credits
from gnuradio.semcom.links import ends
from gnuradio.semcom.links.transceiver import MAX_WAITING
from PIL import Image

WEIGHTS = {0: 8, 1: 16, 2: 24, "silence": 1}


class account:
    """What is charged at present."""

    def __init__(self):
        self.charged = self.most = 0
        self.credits = Credits(self._put, self._taken)

    def _put(self, weight: int) -> None:
        self.charged += weight
        self.most = max(self.most, self.charged)

    def _taken(self, weight: int) -> None:
        self.charged -= weight
        assert self.charged >= 0


@pytest.mark.parametrize("names", [(0, 1, 2), (5, 5, 5), (0, 1, "silence"), (5, 5, "silence")])
def test_every_order_of_what_is_put_and_what_is_taken_ends_at_nothing(names):
    """Pictures of different and of the same number, and marks: 720 orders each."""
    weight = {name: WEIGHTS.get(name, 8) for name in names}
    events = [(what, name) for name in names for what in ("put", "taken")]
    for order in set(itertools.permutations(events)):
        held, puts, takes = account(), dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for what, name in order:
            if what == "put":
                puts[name] += 1
                held.credits.put(name, weight[name])
            else:
                takes[name] += 1
                held.credits.taken(name)
            # what was taken first is charged nothing, what was put first is charged until it is taken
            under_way = sum(weight[name] * max(puts[name] - takes[name], 0) for name in weight)
            assert held.charged == under_way, order
        assert held.credits.under_way == 0


def test_what_is_taken_is_what_was_put_first():
    """Of one number, pictures of different sizes."""
    held = account()
    for weight in (8, 128):
        held.credits.put(5, weight)
    held.credits.taken(5)
    assert held.charged == 128
    held.credits.taken(5)
    assert held.charged == 0


def test_answers_that_nobody_asked_for_do_not_open_the_gate_for_ever():
    held = account()
    for _ in range(10 * MAX_OWED):
        held.credits.taken(5)
    for _ in range(MAX_OWED + 3):
        held.credits.put(5, 8)
    assert held.charged == 24


def message(what: str, number: int) -> pmt.pmt_base:
    """What the decoder delivers, or what the sink answers."""
    if what == "image":
        return pdus.from_image(np.zeros((2, 3, 3), np.uint8), {"image_id": number})
    return pdus.message({"image_id": number})


@pytest.mark.parametrize("numbers", [(0, 1, 2), (7, 7, 7), (7, 8, -1)])
def test_a_receiver_hears_decoder_and_sink_in_any_order(numbers, tmp_path):
    """At both ports, the decoder's and the sink's; -1 stands for a mark. It takes samples again in the end."""
    front = ends.FrontEnd("zmq:tcp://127.0.0.1:1")
    end = ends.receiving_end(front, ends.Coding("softcast"), tmp_path)
    events = [(what, number) for number in numbers for what in ("image", "ack")]
    marks = {"image": pdus.silence(1), "ack": pdus.message({"silence": 1})}
    for order in set(itertools.permutations(events)):
        most = 0
        for what, number in order:
            msg = marks[what] if number < 0 else message(what, number)
            end._listener.msg_handlers[pmt.intern(what)](msg)
            if what == "ack":  # it waits for the reader, who passes it on
                port, meta, _ = end._listener.events.get()
                assert port == "ack"
                end._credits.taken(ends._key(meta))
            most = max(most, end._receiver.waiting())
        assert end._receiver.waiting() == 0 and most <= 3 * ends.PICTURE, order


def test_a_large_picture_counts_for_more():
    small, large = ({"image_id": 1, "height": side, "width": side} for side in (512, 4096))
    assert ends._weight(small) == ends.PICTURE and ends._weight(large) >= MAX_WAITING
    assert ends._weight(large | {"error": "lost"}) == ends.PICTURE


class watched(image_source.image_source):
    """Keeps what it sends."""

    def __init__(self, *args):
        self.sent: list[int] = []
        self.most = 0
        self.more = threading.Condition()
        image_source.image_source.__init__(self, *args)

    def message_port_pub(self, port: pmt.pmt_base, msg: pmt.pmt_base) -> None:
        if port != image_source.IMAGE:
            return
        meta = pdus.meta_of(msg)
        with self.more:
            if "silence" not in meta:
                self.sent.append(meta["image_id"])
                self.most = max(self.most, len(self._outstanding))
            self.more.notify_all()

    def wait_for(self, count: int) -> None:
        with self.more:
            assert self.more.wait_for(lambda: len(self.sent) >= count, 20), self.sent


def answers(first: int) -> list[tuple[str, pmt.pmt_base]]:
    """All that can be said of three images: acknowledged each, an idle channel, marks of their end."""
    acks = [("ack", pdus.message({"image_id": number})) for number in range(first, first + 3)]
    return [*acks, ("idle", pdus.message({"bursts": 0})), ("ack", pdus.message({"left": 1})), ("ack", pdus.silence(-1))]


def test_a_source_neither_goes_deaf_nor_runs_over(tmp_path, monkeypatch):
    """Three images under way, and all that can be said of them in every order; then three more."""
    monkeypatch.setattr(image_source, "PATIENCE", 60.0)
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "a.png")
    for order in itertools.permutations(range(6)):
        source, said = watched(str(tmp_path / "a.png"), 6, 3), answers(0)
        source.report = lambda *args, **more: None
        source.start()
        source.wait_for(3)
        for index in order:
            port, msg = said[index]
            source.msg_handlers[pmt.intern(port)](msg)
        source.wait_for(6)
        under_way = set(source._outstanding)
        # a late word of the first three frees none of the second three
        for index in order:
            if said[index][0] == "ack" and index < 3:
                source.msg_handlers[pmt.intern("ack")](said[index][1])
        assert source._outstanding == under_way <= {3, 4, 5}
        for port, msg in answers(3)[:3]:
            source.msg_handlers[pmt.intern(port)](msg)
        source._thread.join(20)
        assert not source._thread.is_alive() and source.sent == list(range(6)) and source.most <= 3
        source.stop()


def test_sources_of_semcom_are_counted_at_the_demodulator():
    """What is put holds samples back, what is taken lets them through; in either order."""
    demodulator = semcom.burst_demodulator(semcom.ofdm_params(), 1e6, 0, MAX_WAITING)
    for first, second in ((demodulator.put, demodulator.taken), (demodulator.taken, demodulator.put)):
        first(40)
        second(40)
        assert demodulator.waiting() == 0
