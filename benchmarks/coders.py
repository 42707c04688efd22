#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed of every joint coder at 512x512 on two cores, and of the running symbol-level flowgraph, in one run.

    python benchmarks/coders.py --out results/coders.json

Encoder and decoder each on the same photograph: NumPy or ONNX Runtime as they ship, and the trainable networks in torch
(freshly initialised: speed does not depend on the weights). The flowgraph is Image Source -> JSCC Encoder -> Symbol
Channel -> JSCC Decoder -> Image Sink, files read and decoded, nothing written.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gnuradio import gr, semcom
from gnuradio.semcom import schemes
from gnuradio.semcom.errors import Missing
from gnuradio.semcom.image import io
from gnuradio.semcom.train.export import parts
from gnuradio.semcom.train.models import NETWORKS
from PIL import Image

from common import arguments, write

PHOTOGRAPH = Path(__file__).resolve().parents[1] / "examples" / "images" / "skimage_astronaut.png"
SIDE = 512


def median_s(function, runs: int) -> float:
    """Median wall time of one call in seconds, after one to warm up."""
    function()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def shipped(scheme: str, image: np.ndarray, runs: int) -> dict:
    """Encode and decode parts as the blocks do, without modulating bits."""
    known = schemes.get(scheme)
    options, variant = known.options(), next(iter(known.variants()))
    sent = known.encode(image, schemes.Conditions(), options)
    parts = [
        schemes.ReceivedPart(number, part.payload, sent.header, None, len(part.payload))
        if part.kind == schemes.BITS
        else schemes.ReceivedPart(number, part.payload, sent.header, np.full(len(part.payload), 0.1, np.float32))
        for number, part in enumerate(sent.parts)
    ]

    def decoded() -> None:
        decoder = known.decoder(sent.header, variant)
        for part in parts:
            decoder.feed(part)
        decoder.finish()

    encode = median_s(lambda: known.encode(image, schemes.Conditions(), options), runs)
    decode = median_s(decoded, runs)
    return {"encode_s": round(encode, 4), "decode_s": round(decode, 4), "both_s": round(encode + decode, 4)}


@torch.no_grad()
def in_torch(scheme: str, runs: int, side: int) -> dict:
    """Encode and decode by the network itself, on inputs of the sizes that a square image of that side makes."""
    net = NETWORKS[scheme]().eval().to(memory_format=torch.channels_last)
    row = {"parameters": sum(p.numel() for p in net.parameters())}
    for part in parts(net):
        inputs = []
        for sample in part.inputs.values():
            if sample.dim() > 2 and sample.shape[-1] > 1:
                step = 1 if part.name == "encoder" and sample.shape[1] == 3 else net.stride
                # of integers, which number profiles, all 0
                inputs.append(sample.new_zeros((*sample.shape[:-2], side // step, side // step)))
                if sample.is_floating_point():
                    inputs[-1].uniform_()
            else:
                inputs.append(sample)
        row[f"{part.function}_s"] = round(median_s(partial(getattr(net, part.function), *inputs), runs), 4)
    return row | {"both_s": round(row["encode_s"] + row["decode_s"], 4)}


def flowgraph(scheme: str, folder: Path, images: int) -> float:
    """Images a second from the first file to the last acknowledgement."""
    schemes.get(scheme).coder("original")
    tb = gr.top_block()
    source, sink = semcom.image_source(str(folder), images, 4), semcom.image_sink("")
    encoder, decoder = semcom.jscc_encoder(scheme), semcom.jscc_decoder(scheme)
    channel = semcom.symbol_channel(model="awgn", snr_db=10.0, csi="ideal", seed=1)
    tb.msg_connect(source, "image", encoder, "image")
    tb.msg_connect(encoder, "symbols", channel, "symbols")
    tb.msg_connect(channel, "symbols", decoder, "symbols")
    tb.msg_connect(decoder, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    begun = time.perf_counter()
    tb.run()
    seconds = time.perf_counter() - begun
    assert len(sink.results) == images and not any("error" in r for r in sink.results)
    return images / seconds


def main() -> None:
    """Measure and write the JSON."""
    parser = arguments(__doc__, smoke=True)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--images", type=int, default=40)
    args = parser.parse_args()
    runs, images = (1, 1) if args.smoke else (args.runs, args.images)
    torch.set_num_threads(2)
    image = io.load(PHOTOGRAPH)
    report = {"image": f"{SIDE}x{SIDE}"}
    report["shipped"], report["torch"], report["flowgraph_images_per_s"] = {}, {}, {}
    with tempfile.TemporaryDirectory() as name:
        Image.fromarray(image).save(Path(name) / "photograph.png")
        for scheme in ("softcast", "samsc", "semcom"):
            try:
                report["shipped"][scheme] = shipped(scheme, image, runs)
            except Missing as missing:
                report["shipped"][scheme] = str(missing)
                continue
            report["flowgraph_images_per_s"][scheme] = round(flowgraph(scheme, Path(name), images), 2)
    for scheme in NETWORKS:
        report["torch"][scheme] = in_torch(scheme, 1 if args.smoke else max(3, runs // 3), 128 if args.smoke else SIDE)
    witt = report["torch"].get("witt")
    if witt:
        ours = report["shipped"]["semcom"]["both_s"]
        report["witt_in_torch_over_semcom"] = round(witt["both_s"] / ours, 2)
    write(args.out, report, images=[PHOTOGRAPH.name], seed=1)


if __name__ == "__main__":
    main()
