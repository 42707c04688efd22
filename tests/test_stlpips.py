# SPDX-License-Identifier: GPL-3.0-or-later
"""The exported perceptual distance: sane values, any size, and the layer arithmetic against PyTorch."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.image import stlpips
from gnuradio.semcom.image.io import load
from gnuradio.semcom.image.stlpips import MIN_SIDE, StLpips
from gnuradio.semcom.zoo import weights
from PIL import Image

IMAGES = Path(__file__).parents[1] / "examples" / "images"


@pytest.fixture(scope="module")
def distance():
    return StLpips()


@pytest.fixture(scope="module")
def photo():
    return load(IMAGES / "skimage_astronaut.png")[:256, :300]


def jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def test_equal_images_have_no_distance(distance, photo):
    assert distance(photo, photo) == 0


def test_worse_is_farther(distance, photo):
    fine, coarse = (distance(photo, jpeg(photo, quality)) for quality in (60, 10))
    other = distance(photo, load(IMAGES / "skimage_coffee.png")[:256, :300])
    assert 0 < fine < coarse < other
    assert 0.04 < coarse < 0.15
    assert 0.5 < other < 1


def test_it_tolerates_shifts(distance, photo):
    moved = distance(photo[:, :-2], photo[:, 2:])
    assert moved < 0.02 < distance(photo, jpeg(photo, 10))


def test_distance_is_symmetric(distance, photo):
    other = jpeg(photo, 20)
    assert distance(photo, other) == pytest.approx(distance(other, photo), rel=1e-5)


def test_sides_too_short_for_the_network(distance, photo):
    assert MIN_SIDE == 21
    for height, width in ((20, 300), (256, 20), (1, 1)):
        assert distance(photo[:height, :width], photo[:height, :width]) is None
    assert distance(photo[:21, :21], photo[100:121, 100:121]) > 0


def test_large_images_are_measured_in_tiles(distance, photo, monkeypatch):
    other = jpeg(photo, 10)
    whole = distance(photo, other)
    monkeypatch.setattr(stlpips, "MAX_TILE", 128)
    tiled = distance(photo, other)
    assert tiled == pytest.approx(whole, rel=0.15) and tiled != whole
    assert [(s.start, s.stop) for s in stlpips._cuts(300)] == [(0, 100), (100, 200), (200, 300)]


def test_what_cannot_be_compared(distance, photo):
    with pytest.raises(BadInput, match=r"images of sizes \(256, 300\) and \(255, 300\) cannot be compared"):
        distance(photo, photo[1:])
    with pytest.raises(BadInput, match=r"ST-LPIPS takes RGB images uint8 \[H, W, 3\], not float64"):
        distance(photo / 255, photo)


def test_card_names_its_source_and_parity():
    path = weights.find("stlpips_alex")
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["licence"] == "BSD-2-Clause" and "Ghildyal" in card["attribution"]
    assert card["parity"]["float16_stored"] < 1e-3
    assert path.stat().st_size == card["bytes"] < 6_000_000


def test_absent_weights_name_the_command(tmp_path):
    with pytest.raises(Missing, match="is not here; run"):
        StLpips(tmp_path / "none.onnx")(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8))


def test_graph_is_the_published_network(photo):
    """The same distance from PyTorch layers with the same weights, written after the paper's own code."""
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    f = torch.nn.functional
    graph = onnx.load(weights.find("stlpips_alex")).graph
    stored = {i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).astype(np.float32)) for i in graph.initializer}

    def blur(x):
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
        return f.conv2d(f.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])

    def conv(x, layer, padding):
        return f.conv2d(x, stored[f"{layer}.weight"], stored[f"{layer}.bias"], padding=padding)

    def features(image):
        x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)) / 127.5 - 1
        x = (x - stored["shift"]) / stored["scale"]
        found = [blur(conv(x, "net.slice1.0", 2)).relu()]
        found.append(conv(blur(f.max_pool2d(found[-1], 3, 1)), "net.slice2.5", 2).relu())
        found.append(conv(blur(f.max_pool2d(found[-1], 3, 1)), "net.slice3.9", 1).relu())
        found.append(conv(found[-1], "net.slice4.11", 1).relu())
        found.append(conv(found[-1], "net.slice5.13", 1).relu())
        return [x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in found]

    other = jpeg(photo, 10)
    total = 0.0
    for index, (x, y) in enumerate(zip(features(photo), features(other), strict=True)):
        total += f.conv2d((x - y) ** 2, stored[f"lin{index}.model.1.weight"]).mean().item()
    assert StLpips()(photo, other) == pytest.approx(total, rel=1e-4)
