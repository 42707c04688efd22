#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""100 images of 512x512 over the waveform with 1 % of the bursts knocked out.

    python benchmarks/endurance.py --image PHOTO --out results/endurance.json

Every image must be delivered, a knocked-out burst must cost only its own image, and memory must stay flat. The samples
of a burst that is knocked out are blanked on the air, header and all; it may be the last of its image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr, semcom
from gnuradio.semcom.blocks.base import message_block
from gnuradio.semcom.blocks.jscc_encoder import jscc_encoder

from common import arguments, write
from common.process import resident_mb

FRAGMENTS, GAP = 16, 256  # a 512x512 image is 16 bursts


class knock_out(gr.sync_block):
    """Blanks whole bursts on the air: ``ranges`` are (first, last + 1) sample numbers, in order."""

    def __init__(self, ranges: list[tuple[int, int]]):
        gr.sync_block.__init__(self, "knock out", [np.complex64], [np.complex64])
        self._ranges = ranges

    def work(self, input_items: list, output_items: list) -> int:
        """Copies, but for the ranges."""
        samples, out = input_items[0], output_items[0]
        out[:] = samples
        at = self.nitems_written(0)
        for start, stop in self._ranges:
            if start < at + len(out) and stop > at:
                out[max(0, start - at) : stop - at] = 0
        return len(out)


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
    trailer = 20 * longest
    modulator = semcom.burst_modulator(params, 1.0, GAP, False, trailer)
    # in bursts mode nothing but bursts, gaps and trailers is put out: where each lies is known
    rng, burst = np.random.default_rng(5), longest + GAP
    hit = [(i, b) for i in range(args.images) for b in range(FRAGMENTS) if rng.random() < 0.01]
    starts = [i * (FRAGMENTS * burst + trailer) + b * burst + GAP // 2 for i, b in hit]
    knock = knock_out([(start, start + longest) for start in starts])
    expected = {image: sum(i == image for i, _ in hit) for image in {i for i, _ in hit}}
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
    lost = {r["image_id"]: r["lost"] for r in sink.results if r["lost"]}
    report = {
        "images_sent": args.images,
        "images_delivered": len(sink.results),
        "bursts_knocked_out": len(hit),
        "last_bursts_of_an_image_among_them": sum(b == FRAGMENTS - 1 for _, b in hit),
        "fragments_lost": sum(lost.values()),
        "lost_only_where_knocked_out": lost == expected,
        "memory_mb_after_a_tenth_and_all": [round(watch.mb[(len(watch.mb) - 1) // 10], 1), round(watch.mb[-1], 1)],
    }
    write(args.out, report)


if __name__ == "__main__":
    main()
