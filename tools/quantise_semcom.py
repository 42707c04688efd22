#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The int8 variant of the semcom networks, calibrated on photographs.

    python tools/quantise_semcom.py --data train_256.tar --out models

Convolutions become 8-bit, per output channel, except where the picture itself passes: the linear path, the decoder's
input and its two outputs. Weights are kept to 7 bits, because processors without VNNI saturate otherwise. Needs the
`train` extra and `onnxruntime`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import onnx
import onnxruntime as ort
from gnuradio.semcom import weights
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.jscc.semcom import semcom
from gnuradio.semcom.train.data import Photographs
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SNRS = (-2, 1, 4, 7, 10, 13, 16, 20)
CHANNELS = (128, 256, 128, 64)
KEPT_EXACT = ("analysis", "synthesis", "decoder_in", "decoder_latent", "decoder_out")


class Inputs(CalibrationDataReader):
    """Hands out what the network was fed, once."""

    def __init__(self, feeds: Iterable[dict]):
        self._feeds = iter(feeds)

    def get_next(self) -> dict | None:
        """The next one, None at the end."""
        return next(self._feeds, None)


def calibration(photographs: Photographs, count: int) -> dict[str, list[dict]]:
    """Inputs of both networks over photographs, SNRs and rates."""
    coder, feeds = semcom(), {"encoder": [], "decoder": []}
    for index in range(count):
        image = photographs.images[index * len(photographs.images) // count]
        snr, channels = SNRS[index % len(SNRS)], CHANNELS[index // len(SNRS) % len(CHANNELS)]
        sent = coder.encode(image, rate=channels / 1536, snr_db=snr)
        received = SymbolChannel("awgn", float(snr), seed=index).apply(sent.symbols)
        feeds["encoder"].append(coder.encoder_inputs(image, channels, snr, None))
        feeds["decoder"].append(coder.decoder_inputs(received.symbols, received.noise_var, sent.header))
    return feeds


def main() -> None:
    """Calibrate, quantise, write models and cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=32, help="photographs to calibrate on")
    args = parser.parse_args()
    feeds = calibration(Photographs(args.data, 192), args.count)
    for part in ("encoder", "decoder"):
        source, path = weights.find(f"semcom_original_{part}"), args.out / f"semcom_int8_{part}.onnx"
        with tempfile.TemporaryDirectory() as name:
            folded = Path(name) / "folded.onnx"
            # the float16 weights are widened first: quantisation wants them as they compute
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(folded)
            ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
            nodes = [node.name for node in onnx.load(folded).graph.node if node.op_type == "Conv"]
            quantize_static(
                *(folded, path, Inputs(feeds[part])),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,
                nodes_to_exclude=[name for name in nodes if any(kept in name for kept in KEPT_EXACT)],
            )
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {p.key: p.value for p in onnx.load(source).metadata_props})
        onnx.save(model, path)
        card = json.loads(source.with_suffix(".json").read_text())
        data = path.read_bytes()
        card |= {
            "name": path.stem,
            "file": path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "description": "int8 variant of " + source.stem,
            "quantised": {
                "command": "python tools/quantise_semcom.py --data train_256.tar --out models",
                "source": source.stem,
                "source_sha256": weights.sha256(source.stem),
            },
        }
        card.pop("figures", None)
        path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
        print(f"{path}: {len(data) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
