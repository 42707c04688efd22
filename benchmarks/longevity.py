#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small pictures through one process, one flowgraph after another: memory, losses, threads.

    python benchmarks/longevity.py --pictures 100000 --out results/longevity.json

Three schemes take turns at symbol level, each in a flowgraph of its own that ends and is let go, so that what a picture
or a flowgraph leaves behind adds up. Memory is compared with that after the first round, in which every scheme has
loaded its weights. The allocator is set as ``semcom tx`` and ``rx`` set it, unless ``--arenas 0`` leaves it as it is.
"""

from __future__ import annotations

import gc
import tempfile
import threading
from pathlib import Path

import numpy as np
from gnuradio import gr, semcom
from gnuradio.semcom.memory import keep_steady
from PIL import Image

from common import arguments, write
from common.process import resident_mb, threads

SCHEMES = ("softcast", "samsc", "deepjscc")


def flowgraph(folder: Path, scheme: str, repeat: int) -> tuple[int, int, int]:
    """Send all pictures of a folder several times; (delivered, given up, fragments lost)."""
    tb = gr.top_block()
    source, sink = semcom.image_source(str(folder), repeat, 4), semcom.image_sink("")
    encoder, decoder = semcom.jscc_encoder(scheme), semcom.jscc_decoder()
    channel = semcom.symbol_channel("awgn", 20.0, "ideal")
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", channel, "symbols")
    tb.msg_connect(encoder, "failed", source, "ack")
    tb.msg_connect(channel, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.run()
    return sink.delivered, sink.given_up, sum(result.get("lost", 0) for result in sink.results)


def main() -> None:
    """Run and write the JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20, help="flowgraphs of each scheme")
    parser.add_argument("--side", type=int, default=16, help="pixels")
    parser.add_argument("--arenas", type=int, default=2, help="of the C library's allocator; 0: as many as it likes")
    args = parser.parse_args()
    if args.arenas:
        keep_steady(args.arenas)
    repeat = -(-args.pictures // (args.rounds * len(SCHEMES) * 10))
    rng = np.random.default_rng(0)
    delivered = given_up = lost = 0
    megabytes, alive = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(10):
            picture = rng.integers(0, 256, (args.side, args.side, 3), np.uint8)
            Image.fromarray(picture).save(Path(folder) / f"{i}.png")
        for _ in range(args.rounds):
            for scheme in SCHEMES:
                now = flowgraph(Path(folder), scheme, repeat)
                delivered, given_up, lost = delivered + now[0], given_up + now[1], lost + now[2]
            gc.collect()
            megabytes.append(round(resident_mb(), 1))
            alive.append(threads())
            print(f"{delivered} pictures, {megabytes[-1]:.0f} MB, {alive[-1]} threads", flush=True)
    report = {
        "arenas": args.arenas or None,
        "pictures_sent": 10 * repeat * args.rounds * len(SCHEMES),
        "delivered": delivered,
        "given_up": given_up,
        "fragments_lost": lost,
        "flowgraphs": args.rounds * len(SCHEMES),
        "mb_after_each_round": megabytes,
        "mb_grown_after_the_first_round": round(max(megabytes) - megabytes[0], 1),
        "threads_after_each_round": alive,
        "python_threads": threading.active_count(),
    }
    write(args.out, report, seed=0)


if __name__ == "__main__":
    main()
