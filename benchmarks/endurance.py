#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""100 images of 512x512 over the waveform with 1 % of the bursts knocked out.

    python benchmarks/endurance.py --image PHOTO --out results/endurance.json

Every image must be delivered, a knocked-out burst must cost only its own image, and memory must stay flat. Bursts
are dropped in front of the modulator.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder


class knock_out(message_block):
    """Drops each PDU with the given probability, but the last fragment of an image never: its trailer is the clock."""

    def __init__(self, probability: float, seed: int):
        message_block.__init__(self, "knock out")
        self._rng, self._probability = np.random.default_rng(seed), probability
        self.dropped: dict[int, int] = {}
        self.message_port_register_in(pmt.intern("in"))
        self.message_port_register_out(pmt.intern("out"))
        self.set_msg_handler(pmt.intern("in"), self.handle)

    def handle(self, msg: pmt.pmt_base) -> None:
        """One burst."""
        number, fragment, fragments = (
            pmt.to_long(pmt.dict_ref(pmt.car(msg), pmt.intern(key), pmt.from_long(0)))
            for key in ("image_id", "fragment", "fragments")
        )
        if fragment + 1 < fragments and self._rng.random() < self._probability:
            self.dropped[number] = self.dropped.get(number, 0) + 1
            return
        self.message_port_pub(pmt.intern("out"), msg)


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


class meter(message_block):
    """Notes the memory at every image."""

    def __init__(self):
        message_block.__init__(self, "meter")
        self.mb: list[float] = []
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.handle)

    def handle(self, msg: pmt.pmt_base) -> None:
        """One acknowledgement."""
        self.mb.append(resident_mb())


def main() -> None:
    """Run and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    params = semcom.ofdm_params()
    longest = semcom.ofdm_frame(params).burst_samples(4096)
    tb = gr.top_block()
    source, sink, watch = semcom.image_source(str(args.image), 100, 1), semcom.image_sink(""), meter()
    encoder, knock = jscc_encoder("softcast"), knock_out(0.01, 1)
    modulator = semcom.burst_modulator(params, 1.0, 256, False, 20 * longest)
    noise = semcom.ofdm_frame(params).noise_voltage(10.0, 1.0)
    air = semcom.waveform_channel(noise_voltage=noise, cfo=3000.0, seed=2)
    receiver = semcom.jscc_receiver("softcast", params=params)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", knock, "in")
    tb.msg_connect(knock, "out", modulator, "symbols")
    tb.connect(modulator, air, receiver)
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(receiver, "idle", source, "idle")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.msg_connect(sink, "ack", watch, "in")
    tb.run()
    lost = {r["image_id"]: r["lost"] for r in sink.results if r["lost"]}
    report = {
        "command": "python benchmarks/endurance.py --image PHOTO --out results/endurance.json",
        "images_sent": 100,
        "images_delivered": len(sink.results),
        "bursts_knocked_out": sum(knock.dropped.values()),
        "fragments_lost": sum(lost.values()),
        "lost_only_where_knocked_out": lost == knock.dropped,
        "memory_mb_after_10_and_100": [round(watch.mb[9], 1), round(watch.mb[-1], 1)],
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
