# SPDX-License-Identifier: GPL-3.0-or-later
"""From photographs to a running flowgraph: two seconds of training, export, loopback, sweep, grcc; every network."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.cli import main
from PIL import Image
from test_schemes import bursts_of, flowgraph, received

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("accelerate")


@pytest.fixture
def photographs(tmp_path, smooth_image):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(24):
        Image.fromarray(smooth_image(96, 96, seed)).save(folder / f"p{seed}.png")
    return folder


@pytest.fixture
def photo(tmp_path, smooth_image):
    Image.fromarray(smooth_image(160, 192, 99)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.slow
@pytest.mark.parametrize("name", [s.name for s in schemes.schemes().values() if s.trains_with and not s.closed_form])
def test_two_seconds_of_training_end_in_a_picture(name, photographs, photo, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    command = ["train", name, "--data", str(photographs), "--out", str(out), "--seconds", "2", "--crop", "64"]
    assert main([*command, "--batch", "2", "--threads", "1", "--validate-every", "1", "--export", "mine"]) == 0
    assert len(list(out.glob(f"{name}_mine_*coder.onnx"))) == 2
    monkeypatch.setenv("SEMCOM_MODELS", str(out))
    capsys.readouterr()

    # the folder of a training is a folder of weights, and says whose they are
    assert main(["models", "list"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-3:] for line in listed if line[:1] == [f"{name}_mine_encoder"]] == [["your", "own", "yes"]]

    link = [str(photo), "--scheme", name, "--variant", "mine", "--snr", "15", "--json", "--out", str(tmp_path / "l")]
    figures = []
    for level in ("symbol", "waveform"):
        assert main(["loopback", *link, "--level", level]) == 0
        figures.append(json.loads(capsys.readouterr().out))
        assert figures[-1]["lost"] == 0 and set(figures[-1]["weights"]) >= {f"{name}_mine_encoder.onnx"}
    record = tmp_path / "s.json"
    args = ["--images", str(photo), "--snr", "15", "--workers", "0", "--metrics", "psnr", "--out", str(record)]
    assert main(["sweep", "--scheme", name, "--variant", "mine", *args]) == 0
    point = json.loads(record.read_text())["points"][0]
    assert point["psnr_db"] == pytest.approx(figures[0]["psnr_db"], abs=0.01)
    flowgraph(name, photo, tmp_path, {"SEMCOM_MODELS": str(out)}, "mine")


@pytest.mark.parametrize("latent", [64, 192])
def test_a_latent_of_another_width_is_read_from_the_network(latent, smooth_image, tmp_path, monkeypatch):
    """It used to train, export, and then wait for ever; and bursts of another width are refused, not decoded."""
    import torch
    from gnuradio.semcom.train import export
    from gnuradio.semcom.train.models import SAMSC

    # the identifier has 8 bits, so that weights drawn anew at each run sometimes share that of weights that are shipped
    torch.manual_seed(latent)
    net = SAMSC(widths=(8, 8, 8), latent=latent)
    for part in export.parts(net):
        export.write_onnx(
            export._Half(net, part.function), f"samsc_wide_{part.name}", tmp_path, part.inputs, part.output,
            part.dynamic_axes(), {"description": "of a test"},
        )  # fmt: skip
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    image = smooth_image(64, 96)
    sent = bursts_of("samsc", image, {"variant": "wide"})
    assert sum(len(symbols) for _, symbols in sent) == 4 * 6 * latent // 2
    (found,), said = received(sent)
    assert said == [] and found.decoded.image.shape == image.shape
    wrong = [(meta | {"rate": 127}, symbols) for meta, symbols in sent]
    images, said = received(wrong)
    assert images == [] and f"has only {latent - 1}" in said[0]
    header = burst.ImageHeader(64, 96, "samsc", latent - 1)
    coder = schemes.get("samsc").coder("wide")
    with pytest.raises(ValueError, match="arrived for a"):
        coder.decode(np.zeros(3, np.complex64), np.zeros(3, np.float32), header)
