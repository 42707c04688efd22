#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed of PDU conversion and of the symbol channel, beside GNU Radio's own, in one run.

python benchmarks/pdu.py --out results/pdu.json
"""

from __future__ import annotations

import time

import numpy as np
import pmt
from gnuradio import blocks, channels, gr, semcom
from gnuradio.semcom import semcom_python as native

from common import arguments, write


def median_ms(function, runs: int) -> float:
    """Median wall time of one call, milliseconds."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(times))


def symbols_per_second(block, count: int) -> float:
    """Throughput of a stream block between a null source and a null sink, symbols a second."""
    tb = gr.top_block()
    head = blocks.head(gr.sizeof_gr_complex, count)
    tb.connect(blocks.null_source(gr.sizeof_gr_complex), head, block, blocks.null_sink(gr.sizeof_gr_complex))
    begun = time.perf_counter()
    tb.run()
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__, smoke=True)
    args = parser.parse_args()
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    meta = pmt.make_dict()

    def ours():
        native.pdu_to_image(native.image_to_pdu(image, meta))

    def theirs():
        np.array(pmt.u8vector_elements(pmt.init_u8vector(image.size, image.ravel())), np.uint8)

    symbols = 100_000 if args.smoke else 20_000_000
    rayleigh = semcom.symbol_channel(model="rayleigh", snr_db=10.0)
    peer = channels.channel_model(0.3, 0.0, 1.0, [1.0], 0)
    report = {
        "image_512_both_ways_ms": {"semcom": median_ms(ours, 50), "pmt": median_ms(theirs, 5)},
        "channel_msymbols_per_s": {
            "symbol_channel rayleigh": symbols_per_second(rayleigh, symbols) / 1e6,
            "channels.channel_model": symbols_per_second(peer, symbols) / 1e6,
        },
    }
    write(args.out, report, seed=0)


if __name__ == "__main__":
    main()
