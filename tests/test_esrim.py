# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-RIM: what it is given, what it makes of a picture, and its training."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from gnuradio import semcom
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import stlpips
from gnuradio.semcom.scene import Scene, reconstruct
from gnuradio.semcom.scene.render import esrim
from gnuradio.semcom.schemes.esisc import EsIsc
from PIL import Image
from test_scene_blocks import Probe, scene

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("onnx")

from gnuradio.semcom.cli import main  # noqa: E402
from gnuradio.semcom.train import painting, perceptual, trainer  # noqa: E402
from gnuradio.semcom.train.export import write_onnx  # noqa: E402
from gnuradio.semcom.train.models import efficientnet  # noqa: E402
from gnuradio.semcom.train.models import esrim as networks  # noqa: E402

NAME = "esrim_mine"


def network(seed=0):
    """One that does something: what starts at nothing gets small numbers."""
    torch.manual_seed(seed)
    net = networks.EsRim((16, 24), (2, 2), 8)
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.03 * torch.randn_like(value))
    return net.half().float().eval()


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The network, and its weights in a folder of one's own."""
    net = network()
    inputs, axes = painting.graph_inputs()
    write_onnx(net, NAME, tmp_path / "weights", inputs, ("refined",), axes, {"licence": "CC0-1.0"})
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path / "weights"))
    return net


def test_words_are_counted_whatever_their_case():
    counts = esrim.word_counts("A dog, a Dog and 2 cats!")
    assert counts.sum() == 7 and sorted(counts[counts > 0]) == [1, 1, 1, 2, 2]
    assert np.array_equal(counts, esrim.word_counts("2 cats and a dog a dog"))
    assert not esrim.word_counts(None).any() and not esrim.word_counts("…").any()


def test_maps_show_outlines_and_sub_images():
    sent = scene()
    labels, drawn = esrim.maps_of(sent)
    assert labels[40, 40] == 12 and labels[0, 0] == 0
    assert drawn[0, 50, 63] == 1 and drawn[0].sum() == 96  # of the segments, not of the dog
    assert drawn[1, 16:48, 32:64].all() and drawn[1].sum() == 32 * 32
    labels, drawn = esrim.maps_of(Scene(96, 128, labels=sent.labels))
    assert drawn[0, 19, 50] == drawn[0, 50, 29] == 1 and not drawn[1].any()
    labels, drawn = esrim.maps_of(Scene(20, 30))
    assert not labels.any() and not drawn.any()


def test_the_run_time_is_the_network(mine):
    """Against torch, for a size that is no multiple of the stride."""
    sent = replace(scene(), height=93, width=126)
    picture = reconstruct(sent)
    refined = esrim.EsRim(NAME).refine(picture, sent, seed=3, strength=0.5)
    rng = np.random.default_rng(3)
    labels, drawn = esrim.maps_of(sent)
    margin = (0, 3), (0, 2)
    x = torch.from_numpy(np.pad(picture, (*margin, (0, 0)), mode="edge").copy()).permute(2, 0, 1)[None] / 255
    noise = torch.from_numpy(rng.standard_normal((1, esrim.NOISE)).astype(np.float32))
    grain = torch.from_numpy(rng.standard_normal((1, 1, 96, 128)).astype(np.float32))
    cells = torch.from_numpy(np.pad(labels, margin, mode="edge")[None, 2::4, 2::4].astype(np.int64))
    lines = torch.from_numpy(np.pad(drawn, ((0, 0), *margin), mode="edge")[None])
    words = torch.from_numpy(esrim.word_counts(sent.caption)[None])
    with torch.no_grad():
        wanted = mine(x, cells, lines, words, noise, grain, torch.tensor([0.5]))[0, :, :93, :126]
    apart = np.abs(refined.astype(float) - 255 * wanted.clamp(0, 1).permute(1, 2, 0).numpy())
    assert apart.max() < 1 and np.abs(refined.astype(int) - picture).max() > 5


def test_seed_and_strength(mine):
    sent = scene()
    plain = reconstruct(sent, seed=1)
    first, again = (reconstruct(sent, seed=1, painter=NAME) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, reconstruct(sent, seed=2, painter=NAME))
    assert np.array_equal(plain, reconstruct(sent, seed=1, painter=NAME, strength=0))
    changes = [
        np.abs(reconstruct(sent, seed=1, painter=NAME, strength=strength).astype(int) - plain).mean()
        for strength in (0.25, 0.5, 1.0, 2.0)
    ]
    assert changes == sorted(changes) and changes[0] > 0.1
    # what is known of nothing is not painted over
    nothing = Scene(40, 56, "A dog.")
    assert np.array_equal(reconstruct(nothing, painter=NAME), reconstruct(nothing))


def test_a_large_picture_is_refined_at_a_fraction_of_its_size(mine, monkeypatch):
    sent = scene()
    picture = reconstruct(sent)
    usual = esrim.EsRim(NAME).added(picture, sent)
    monkeypatch.setattr(esrim, "MAX_REFINED", picture[..., 0].size // 4)
    added = esrim.EsRim(NAME).added(picture, sent)
    assert added.shape == usual.shape and added.dtype == np.float32 and not np.array_equal(added, usual)
    assert 0.2 < added.std() / usual.std() < 3


def test_what_cannot_be(mine):
    sent = scene()
    with pytest.raises(BadInput, match=r"strength must be a finite number from 0 to 2, got 2\.5"):
        reconstruct(sent, painter=NAME, strength=2.5)
    with pytest.raises(BadInput, match=r"painter must be auto, .*esrim_mine or plain, got 'monet'"):
        reconstruct(sent, painter="monet")
    with pytest.raises(BadInput, match=r"the picture of this scene is uint8 \[96, 128, 3\], not uint8 \[8, 8, 3\]"):
        esrim.EsRim(NAME).refine(np.zeros((8, 8, 3), np.uint8), sent)


def test_the_block_paints_and_its_fields_live(mine):
    from gnuradio.semcom.blocks import pdu
    from gnuradio.semcom.scene import encode_scene

    block = semcom.esisc_decoder(painter=NAME, seed=5)
    probe = Probe(block)
    data = encode_scene(scene())
    meta = {"image_id": 1, "height": 96, "width": 128}

    def painted():
        block.work_on("bytes", pdu.from_bytes(data, meta), meta)
        return pdu.to_image(probe.at("image")[-1])

    assert np.array_equal(painted(), reconstruct(scene(), 5, painter=NAME))
    block.set_strength(0)
    assert np.array_equal(painted(), reconstruct(scene(), 5))
    with pytest.raises(BadInput, match="painter must be auto"):
        semcom.esisc_decoder(painter="monet")
    with pytest.raises(BadInput, match="strength must be a finite number from 0 to 2"):
        semcom.esisc_decoder(strength=-1)


def test_a_receiver_chooses_its_painter(mine):
    scheme = EsIsc()
    assert {NAME, "plain"} <= set(scheme.variants()) and set(scheme.variants().values()) == {0}
    assert list(scheme.load_decoder(NAME)) == [f"{NAME}.onnx"] and scheme.load_decoder("plain") == {}
    with pytest.raises(BadInput, match="painter must be auto"):
        scheme.load_decoder("monet")


def test_the_loss_is_the_metric():
    rng = np.random.default_rng(0)
    a = np.kron(rng.integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    b = np.clip(a.astype(int) + rng.integers(-40, 41, a.shape), 0, 255).astype(np.uint8)
    tensors = [torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 255 for each in (a, b)]
    tensors[0].requires_grad_()
    distance = perceptual.StLpips()(*tensors)
    assert float(distance.detach()) == pytest.approx(stlpips.StLpips(threads=1)(a, b), rel=1e-4)
    distance.sum().backward()
    assert tensors[0].grad.isfinite().all() and tensors[0].grad.abs().sum() > 0
    same = perceptual.StLpips()(tensors[1].clone().requires_grad_(), tensors[1])
    assert float(same.detach()) == 0


def test_it_starts_as_nothing_and_trains_and_exports(tmp_path, smooth_image, monkeypatch, capsys):
    monkeypatch.setattr(painting, "image_encoder", efficientnet.Features)
    photographs = tmp_path / "photos"
    photographs.mkdir()
    for seed in range(4):
        Image.fromarray(smooth_image(96, 80, seed)).save(photographs / f"{seed}.png")
    out = tmp_path / "run"
    command = ["train", "esrim", "--data", str(photographs), "--out", str(out), "--crop", "64", "--batch", "2"]
    command += ["--threads", "1", "--precision", "no", "--validate-every", "2", "--licence", "CC0-1.0", "--steps"]
    assert main([*command, "2"]) == 0
    rows = list(csv.DictReader((out / "log.csv").open()))
    task = painting.PainterTask([photographs], out / painting.SCENES, 64)
    task.load(0, torch.device("cpu"))
    before = task.evaluate(task.network(), torch.device("cpu"))[0]
    metric = stlpips.StLpips(threads=1)
    held = [metric(each.picture, each.photograph) for each in task._scenes.held_out]
    assert before == pytest.approx(np.mean(held), abs=1e-4) and float(rows[0]["held_out_st_lpips"]) != before

    kept = {path: path.stat().st_mtime_ns for path in (out / painting.SCENES).iterdir()}
    assert main([*command, "3"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / painting.SCENES).iterdir()} == kept
    card = json.loads((out / "esrim.json").read_text())
    assert card["recipe"]["steps"] == 3 and card["licence"] == "CC0-1.0" and card["bytes"] < 12_000_000
    assert (card["recipe"]["photographs"], card["recipe"]["held_out"]) == (3, 1)
    monkeypatch.setenv("SEMCOM_MODELS", str(out))
    assert reconstruct(scene(), painter="esrim").shape == (96, 128, 3)
    capsys.readouterr()

    assert main(["train", "esrim", "--data", str(tmp_path), "--out", str(out), "--crop", "60"]) == 2
    assert "--crop 60 must be a multiple of 16 pixels" in capsys.readouterr().err
    few = tmp_path / "few"
    few.mkdir()
    Image.fromarray(smooth_image(96, 80, 1)).save(few / "one.png")
    with pytest.raises(BadInput, match=r"0 photographs of 64 pixels or more in .*, are too few"):
        painting.train([few], tmp_path / "new", trainer.Settings(steps=1))


def test_scenes_of_a_photograph_are_the_same_each_time(smooth_image):
    from gnuradio.semcom.segment import ClassSegmenter

    photograph = smooth_image(96, 128, 3)
    first, again = (painting.samples(photograph, ClassSegmenter(threads=1), 7) for _ in range(2))
    assert len(first) == 2 and all(np.array_equal(a.picture, b.picture) for a, b in zip(first, again, strict=True))
    assert (first[1].drawn & 2).all() and first[0].caption
    assert 1 <= painting.quick_cut(photograph, np.random.default_rng(0)).max() <= painting.MAX_SEGMENTS[1]
