# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom train captioner`` on pictures and captions made here."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.errors import BadInput  # noqa: E402
from gnuradio.semcom.scene.caption.beam import BOUNDARY, FIRST_WORD, UNKNOWN  # noqa: E402
from gnuradio.semcom.scene.caption.network import NetworkCaptioner  # noqa: E402
from gnuradio.semcom.train import captioner  # noqa: E402
from gnuradio.semcom.train.models.captioner import CaptionNet  # noqa: E402
from gnuradio.semcom.train.models.efficientnet import Features  # noqa: E402

TEXTS = ("A dog runs on the left .", "The t-shirt of a dog's friend", "a dog , and a cat")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Twenty photographs with three captions each, and no ImageNet weights."""
    monkeypatch.setattr(CaptionNet, "load_imagenet", lambda net: None)
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / f"{number}.png")
        lines += [f"{number}.jpg#{k}\t{text}" for k, text in enumerate(TEXTS)]
    captions = tmp_path / "captions.txt.gz"
    captions.write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder, captions


def test_the_command_trains_goes_on_and_exports(data, tmp_path, capsys):
    folder, captions = data
    out = tmp_path / "run"
    command = ["train", "captioner", "--data", str(folder), "--captions", str(captions), "--out", str(out)]
    command += ["--crop", "64", "--batch", "2", "--threads", "1", "--precision", "no"]
    assert main([*command, "--steps", "1", "--validate-every", "1"]) == 0
    first = torch.load(out / "last.pt", weights_only=True)
    assert main([*command, "--steps", "2", "--validate-every", "1"]) == 0
    state = torch.load(out / "last.pt", weights_only=True)
    assert (first["step"], state["step"]) == (1, 2)
    learnt = [name for name in state["net"] if not torch.equal(state["net"][name], first["net"][name])]
    assert "embed.weight" in learnt and not any(name.startswith(("features.", "head.")) for name in learnt)

    card = json.loads((out / "captioner_decoder.json").read_text())
    recipe = card["recipe"]
    assert (recipe["photographs"], recipe["choosing"], recipe["steps"]) == (17, 1, 2)
    net = captioner.load_network(out / "last.pt")
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 64, 64)).astype(np.float32)
    eyes = onnxruntime.InferenceSession(str(out / "captioner_image.onnx"))
    decoder = onnxruntime.InferenceSession(str(out / "captioner_decoder.onnx"))
    (picture,) = eyes.run(None, {"image": image})
    wanted = net.picture(net.grid(torch.from_numpy(image))).numpy()
    assert np.abs(picture - wanted).max() < 0.1 * np.abs(wanted).max()  # weights in eight bits
    for words in (np.array([[0]]), np.array([[0, 3, 4, 5], [0, 2, 4, 3]])):
        (scores,) = decoder.run(None, {"picture": wanted, "words": words})
        truth = net(torch.from_numpy(wanted), torch.from_numpy(words)[None])[0, :, -1].log_softmax(dim=-1).numpy()
        assert scores.shape == (len(words), len(net.embed.weight))
        assert np.abs(scores - truth).max() < 0.05
        assert np.allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)
    said = NetworkCaptioner(out, 1).hypotheses(np.zeros((9, 5, 3), np.uint8))[0]
    assert said.text[-1] == "." and 0 < said.confidence < 1 and said.of_each_word < 0
    capsys.readouterr()

    other = tmp_path / "other.txt"
    other.write_text("0.jpg#0\tsomething else\n" * 9)
    command[command.index(str(captions))] = str(other)
    assert main([*command, "--steps", "3"]) == 2
    assert "holds a training of captioner words=" in capsys.readouterr().err


def test_what_is_missing_or_means_nothing_is_said(data, tmp_path, capsys):
    folder, captions = data
    command = ["train", "captioner", "--data", str(folder), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "--captions is missing: the captioner learns from captions" in capsys.readouterr().err
    assert main([*command, "--captions", str(captions), "--val", str(folder)]) == 2
    assert "--val means nothing to captioner" in capsys.readouterr().err
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"no gzip")
    assert main([*command, "--captions", str(broken)]) == 2
    assert "is no text" in capsys.readouterr().err
    with pytest.raises(BadInput, match=r"has no line of NAME\.jpg#NUMBER"):
        captioner.read_captions(_written(tmp_path / "none.txt", "no tab\n"))
    strange = _written(tmp_path / "strange.txt", "".join(f"x{n}.jpg#0\ta word\n" for n in range(30)))
    assert main([*command, "--captions", str(strange)]) == 2
    assert "0 photographs in" in capsys.readouterr().err


def _written(path, text):
    path.write_text(text)
    return path


def test_photographs_are_held_out_by_their_names_alone():
    names = [f"{number}_x" for number in range(400)]
    measuring, choosing = captioner.split(names)
    assert (len(measuring), len(choosing)) == (50, 25) and not measuring & choosing
    assert captioner.split(names[::-1]) == (measuring, choosing)


def test_a_batch_shows_a_mirrored_photograph_with_left_and_right_exchanged(data, tmp_path, monkeypatch):
    folder, captions = data
    # what a network without weights makes of noise is the same for both sides, where it computes in bfloat16
    means = torch.nn.AdaptiveAvgPool2d(2)
    monkeypatch.setattr(CaptionNet, "grid", lambda net, x: means(x).mean(1, keepdim=True).expand(-1, 320, 2, 2))
    texts = captioner.read_captions(captions)
    words = captioner.vocabulary([*TEXTS, "on the right"] * captioner.LEAST)
    found = captioner.Captioned([folder], texts, words, CaptionNet(FIRST_WORD, 64).eval(), 64, tmp_path, seed=3)
    straight = {
        tuple(grid.flatten().tolist()) for i in found.train for grid in found._grid(np.array([i]), np.array([0]))
    }
    left, right = words.index("left"), words.index("right")
    for _ in range(10):
        grid, rows = found.batch(2)
        assert rows.shape[:2] == (2, captioner.CAPTIONS) and grid.shape == (2, 320, 2, 2)
        for photograph, captions_of in zip(grid, rows, strict=True):
            turned = tuple(photograph.flatten().tolist()) not in straight
            assert bool((captions_of == right).any()) == turned and bool((captions_of == left).any()) != turned
            for row in captions_of.tolist():
                said = [number for number in row if number != captioner.NOTHING]
                assert said[0] == said[-1] == BOUNDARY and UNKNOWN not in said


def test_the_confidence_is_the_share_of_right_words():
    """On average, and rising where it rises."""
    rng = np.random.default_rng(0)
    likely = rng.uniform(-3, 0, 2000)
    truth = 1 / (1 + np.exp(-(1.5 * likely + 2)))
    slope, offset = captioner.calibrated(likely, (rng.random(2000) < truth).astype(float))
    assert slope == pytest.approx(1.5, abs=0.25) and offset == pytest.approx(2, abs=0.35)
    assert captioner.right_words(["a", "dog", "sings"], ["The dog runs", "a cat"]) == 0.5
    assert captioner.right_words(["a"], ["a"]) is None


def test_features_are_computed_once(data, tmp_path, monkeypatch):
    folder, captions = data
    texts, net = captioner.read_captions(captions), CaptionNet(FIRST_WORD, 64).eval()
    arguments = ([folder], texts, ["", "", "dog"], net, 64, tmp_path / "kept", 0)
    before = captioner.Captioned(*arguments).batch(4)[0]
    monkeypatch.setattr(Features, "forward", lambda self, x: pytest.fail("computed again"))
    assert torch.equal(captioner.Captioned(*arguments).batch(4)[0], before)
