#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""100 images of 512x512 over the waveform with 1 % of the bursts knocked out.

    python benchmarks/endurance.py --image PHOTO --out results/endurance.json

Every image must be delivered, a knocked-out burst must cost only its own image, and memory must stay flat. The samples
of a burst that is knocked out are blanked on the air, header and all; it may be the last of its image, or carry its
map, which is sent twice.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder

from common import arguments, write
from common.process import resident_mb

KNOCKED_OUT = 0.01


class knock_out(gr.sync_block):
    """Blanks some bursts on the air, which it knows by the tags of the modulator.

    Attributes
    ----------
    hit : list of dict
        Headers of the bursts that were blanked.
    """

    def __init__(self, share: float, seed: int):
        gr.sync_block.__init__(self, "knock out", [np.complex64], [np.complex64])
        self._rng, self._share = np.random.default_rng(seed), share
        self.hit: list[dict] = []
        self._blank = 0, 0  # first sample, and first behind it

    def work(self, input_items: list, output_items: list) -> int:
        """Copies, but for what is blanked."""
        samples, out = input_items[0], output_items[0]
        out[:] = samples
        at = self.nitems_read(0)
        self._erase(out, at)
        for tag in self.get_tags_in_window(0, 0, len(samples), pmt.intern("tx_burst")):
            if self._rng.random() < self._share:
                header = pdu.dictionary(tag.value)
                self.hit.append(header)
                self._blank = tag.offset, tag.offset + header["samples"]
                self._erase(out, at)
        return len(out)

    def _erase(self, out: np.ndarray, at: int) -> None:
        first, behind = (max(0, sample - at) for sample in self._blank)
        out[first:behind] = 0


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
    parser = arguments(__doc__)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100, help="how often the image is sent")
    args = parser.parse_args()
    params = semcom.ofdm_params()
    longest = semcom.ofdm_frame(params).burst_samples(4096)
    tb = gr.top_block()
    source, sink, watch = semcom.image_source(str(args.image), args.images, 1), semcom.image_sink(""), meter()
    encoder = jscc_encoder("softcast")
    modulator = semcom.burst_modulator(params, 1.0, 256, False, 20 * longest)
    knock = knock_out(KNOCKED_OUT, 5)
    noise = semcom.ofdm_frame(params).noise_voltage(10.0, 1.0)
    air = semcom.waveform_channel(noise_voltage=noise, cfo=3000.0, seed=2)
    receiver = semcom.receiver("softcast", params=params)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", modulator, "symbols")
    tb.connect(modulator, knock, air, receiver)
    tb.msg_connect(receiver, "image", sink, "in")
    tb.msg_connect(receiver, "idle", source, "idle")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.msg_connect(sink, "ack", watch, "in")
    tb.run()
    lost = {r["image_id"]: r["lost"] for r in sink.results if r.get("lost")}
    expected = Counter(header["image_id"] for header in knock.hit)
    report = {
        "images_sent": args.images,
        "images_delivered": sink.delivered,
        "bursts_knocked_out": len(knock.hit),
        "last_bursts_of_a_part_among_them": sum(h["fragment"] == h["fragments"] - 1 for h in knock.hit),
        "fragments_lost": sum(lost.values()),
        "lost_only_where_knocked_out": lost == expected,
        "memory_mb_after_a_tenth_and_all": [round(watch.mb[(len(watch.mb) - 1) // 10], 1), round(watch.mb[-1], 1)],
    }
    write(args.out, report, images=[args.image.name], seed="2 of the channel, 5 of the bursts that are blanked")


if __name__ == "__main__":
    main()
