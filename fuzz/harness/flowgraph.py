# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile PDUs through running flowgraphs."""

from __future__ import annotations

import random
import threading

import pmt
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu as pdus
from gnuradio.semcom.blocks.base import message_block

from .common import HANG, require
from .fragments import hostile, sent

HONEST = 54321  # number of the image that must arrive; no lie says it, since its acknowledgement ends the flowgraph


class hostile_source(message_block):
    """Publishes prepared messages, and ends the flowgraph when the last image is acknowledged, or not in time."""

    def __init__(self, messages: list[pmt.pmt_base], last: int):
        message_block.__init__(self, "hostile source")
        self.messages, self.last = messages, last
        self.acknowledged = threading.Event()
        self.message_port_register_in(pmt.intern("ack"))
        self.set_msg_handler(pmt.intern("ack"), self._ack)
        self.message_port_register_out(pmt.intern("symbols"))
        self.message_port_register_in(pmt.intern("system"))

    def start(self) -> bool:
        """Called by the scheduler."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return True

    def _ack(self, msg: pmt.pmt_base) -> None:
        if pdus.dictionary(msg).get("image_id") == self.last:
            self.acknowledged.set()

    def _run(self) -> None:
        for message in self.messages:
            self.message_port_pub(pmt.intern("symbols"), message)
        self.acknowledged.wait(HANG / 2)
        self._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


class Flowgraph:
    """Hostile PDUs through the blocks of a link as they run; an honest image sent last must still arrive."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.images = sent("softcast", [(48, 64), (128, 128), (17, 300)], [1 / 12, 1 / 6, 1 / 768])
        self.spent = 0

    def step(self) -> bool:
        """One flowgraph; always true, since anything else ends the run."""
        rng = self.rng
        messages = []
        for _ in range(50):
            messages.append(hostile(rng, *rng.choice(rng.choice(self.images))))
        honest = self.images[0]
        messages += [pdus.from_symbols(symbols, meta | {"image_id": HONEST}) for meta, symbols in honest]
        tb = gr.top_block()
        source, decoder, sink = hostile_source(messages, HONEST), semcom.jscc_decoder(), semcom.image_sink("")
        for block in (decoder, sink):
            block.logger.set_level("off")
        if rng.random() < 0.5:
            channel = semcom.symbol_channel(model="awgn", snr_db=30.0, seed=1)
            channel.set_log_level("off")
            tb.msg_connect(source, "symbols", channel, "symbols")
            tb.msg_connect(channel, "symbols", decoder, "symbols")
        else:
            modulator = semcom.burst_modulator(semcom.ofdm_params(), 1.0, 256, False, 1000)
            modulator.set_log_level("off")
            demodulator = semcom.burst_demodulator()
            tb.msg_connect(source, "symbols", modulator, "symbols")
            tb.connect(modulator, demodulator)
            tb.msg_connect(demodulator, "symbols", decoder, "symbols")
        tb.msg_connect(decoder, "image", sink, "in")
        tb.msg_connect(sink, "ack", source, "ack")
        tb.run()
        arrived = [r for r in sink.results if r.get("image_id") == HONEST and "error" not in r]
        require(len(arrived) >= 1, "hostile messages kept an honest image from arriving")
        return True
