# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained checkpoint -> ONNX files and model cards that the run time loads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .models import NETWORKS


class _Half(torch.nn.Module):
    """One direction of a coder as a module of its own."""

    def __init__(self, net: torch.nn.Module, function: str):
        super().__init__()
        self.net, self.function = net, function

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return getattr(self.net, self.function)(tensor)


def _store_half_precision(model: onnx.ModelProto) -> None:
    """Keep the weights as float16, widened when the session loads: half the size, the arithmetic stays float32."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or not tensor.dims:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values, name + "_f16"))
        casts.append(helper.make_node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)


def load_network(checkpoint: Path) -> torch.nn.Module:
    """The averaged weights of a checkpoint, rounded to float16 as they ship, in eval mode."""
    return _network(torch.load(checkpoint, map_location="cpu", weights_only=True))


def _network(state: dict) -> torch.nn.Module:
    net = NETWORKS[state["scheme"]]()
    weights = {k.removeprefix("module."): v for k, v in state["ema"].items() if k.startswith("module.")}
    net.load_state_dict(weights)
    return net.half().float().eval().requires_grad_(False)


def export(checkpoint: Path, variant: str, out: Path, card: dict) -> list[Path]:
    """Write ``SCHEME_VARIANT_encoder.onnx`` and ``..._decoder.onnx`` with a card each.

    Inputs ``x`` [B,3,H,W] and ``y`` [B,C,h,w] float32, all sizes dynamic. ``card`` is merged into both model cards,
    beside the
    training recipe that lies next to the checkpoint.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = _network(state)
    recipe = json.loads((checkpoint.parent / "recipe.json").read_text())
    recipe |= {"steps": state["step"], "seconds_trained": round(state["seconds"])}
    out.mkdir(parents=True, exist_ok=True)
    latent = net.encode(torch.zeros(1, 3, 32, 32))
    written = []
    for part, function, source, sample, target in (
        ("encoder", "encode", "x", torch.zeros(1, 3, 32, 32), "y"),
        ("decoder", "decode", "y", latent, "x"),
    ):
        name = f"{recipe['scheme']}_{variant}_{part}"
        path = out / f"{name}.onnx"
        torch.onnx.export(
            _Half(net, function),
            (sample,),
            str(path),
            input_names=[source],
            output_names=[target + "_hat" if target == "x" else target],
            dynamic_axes={source: {0: "batch", 2: "rows", 3: "columns"}},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(path)
        _store_half_precision(model)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        data = path.read_bytes()
        entry = {
            "name": name,
            "file": path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "licence": "GPL-3.0-or-later",
            "description": (type(net).__doc__ or recipe["scheme"]).strip().splitlines()[0],
            "parameters": sum(p.numel() for p in (net.g_a if part == "encoder" else net.g_s).parameters()),
            "recipe": recipe,
        }
        path.with_suffix(".json").write_text(json.dumps(entry | card, indent=2) + "\n")
        written.append(path)
    return written
