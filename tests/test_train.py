# SPDX-License-Identifier: GPL-3.0-or-later
"""Training and export on data made here; what ships is held against torch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from conftest import ROOT  # noqa: E402
from gnuradio.semcom.errors import BadInput  # noqa: E402
from gnuradio.semcom.jscc import softcast  # noqa: E402
from gnuradio.semcom.train import coders, klt, trainer  # noqa: E402
from gnuradio.semcom.train.data import Photographs  # noqa: E402
from gnuradio.semcom.train.export import export, load_network  # noqa: E402
from gnuradio.semcom.train.models import SAMSC  # noqa: E402
from gnuradio.semcom.zoo import weights  # noqa: E402


@pytest.fixture
def folder(tmp_path, smooth_image):
    path = tmp_path / "photos"
    path.mkdir()
    for seed in range(12):
        Image.fromarray(smooth_image(48, 56, seed)).save(path / f"{seed}.png")
    return path


@pytest.mark.slow
def test_a_short_training_resumes_exports_and_matches_torch(folder, tmp_path):
    out = tmp_path / "run"
    lines = []
    coders.train(
        "samsc", [folder], out, trainer.Settings(seconds=1.0, batch=2, threads=1), crop=32, report=lines.append
    )
    before = torch.load(out / "last.pt", weights_only=True)["step"]
    checkpoint = coders.train("samsc", [folder], out, trainer.Settings(seconds=2.0, batch=2, threads=1), crop=32)
    assert torch.load(checkpoint, weights_only=True)["step"] > before > 0
    encoder, decoder = export(checkpoint, "original", tmp_path / "models", {})
    card = json.loads(encoder.with_suffix(".json").read_text())
    assert weights._card(encoder.with_suffix(".json"), weights.OWN).sha256 == card["sha256"]
    assert card["recipe"]["seconds"] == 2.0 and card["bytes"] == encoder.stat().st_size
    net = load_network(checkpoint)
    x = torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(1))
    (y,) = onnxruntime.InferenceSession(encoder).run(None, {"x": x.numpy()})
    (x_hat,) = onnxruntime.InferenceSession(decoder).run(None, {"y": y})
    assert np.abs(y - net.encode(x).numpy()).max() < 1e-4
    assert np.abs(x_hat - net(x).numpy()).max() < 1e-4


def test_klt_start_is_the_linear_coder():
    """At the start the network is the linear transform coder: on data of low rank it is exact."""
    net = SAMSC()
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((20, 3 * 32 * 32))
    images = torch.from_numpy(0.5 + 0.01 * rng.standard_normal((64, 20)) @ basis).float().reshape(64, 3, 32, 32)
    net.init_from_klt(images)
    with torch.no_grad():
        error = (net(images) - images).square().mean() / images.var()
    assert error < 1e-3
    assert net.encode(images).shape == (64, 128, 2, 2)


def test_masked_crops_are_black_outside_one_class(tmp_path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    masks.mkdir()
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(photos / "voc2012_a_full.png")
    classes = np.zeros((128, 192), np.uint8)
    classes[:, 96:] = 7
    Image.fromarray(classes).save(masks / "a.png")
    batch = Photographs([photos], 48, [masks], seed=1).batch(4)
    assert set(np.unique(batch.numpy().round(3))) == {0.0, np.float32(200 / 255).round(3)}


def test_klt_fit_recovers_a_known_covariance(folder, tmp_path):
    path = klt.fit_klt([folder], tmp_path / "klt")
    with np.load(path) as file:
        basis, levels = file["basis"].astype(np.float32), file["levels"]
    assert basis.shape == (768, 512) and levels.shape == (33, 512)
    assert np.abs(basis.T @ basis - np.eye(512)).max() < 5e-3
    assert (np.diff(levels[0, levels[0] > -200]) <= 1).all()  # what lies lower is rounding of the basis


def test_klt_fit_finds_classes_of_patches(smooth_image):
    """Half of each picture is smooth, half of it noise: both have a class, and the fit gives the same again."""
    rng = np.random.default_rng(0)
    pictures = [smooth_image(64, 128, seed).copy() for seed in range(12)]
    for picture in pictures:
        picture[:, 64:] = rng.integers(0, 255, (64, 64, 3))
    fitted, again = softcast.fit(pictures), softcast.fit(pictures)
    assert all(np.array_equal(fitted[name], again[name]) for name in fitted)
    energy = np.exp2(fitted["levels"] / 16)[:, 1:].sum(axis=1)
    assert (np.diff(energy[1:]) >= 0).all() and energy[1] < 0.2 * energy[0] < 0.2 * energy[-1]
    with pytest.raises(BadInput, match="no photograph has 16x16 pixels"):
        softcast.fit([np.zeros((8, 8, 3), np.uint8)])


def test_sentences(tmp_path, folder):
    with pytest.raises(BadInput, match="not a trainable scheme"):
        coders.train("jpeg", [folder], tmp_path / "x")
    with pytest.raises(BadInput, match="neither a folder nor a tar"):
        coders.train("samsc", [tmp_path / "nowhere"], tmp_path / "x")
    with pytest.raises(BadInput, match="at least 4096x4096"):
        coders.train("samsc", [folder], tmp_path / "x", crop=4096)


def test_training_needs_no_gnuradio():
    """From the source tree the package is called semcom and must train where GNU Radio is not installed."""
    code = (
        "import sys; sys.modules['gnuradio'] = None; sys.modules['pmt'] = None\n"
        "import semcom.train.coders, semcom.train.export, semcom.jscc, semcom.image.metrics, semcom.segment\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "python", check=True, timeout=60)
