# SPDX-License-Identifier: GPL-3.0-or-later
"""From photographs to a running flowgraph: two seconds of training, export, loopback, sweep, grcc; every network."""

from __future__ import annotations

import json
import shutil
import textwrap

import numpy as np
import pytest
from conftest import ROOT
from gnuradio.semcom import burst, schemes
from gnuradio.semcom.cli import main
from PIL import Image
from test_schemes import bursts_of, flowgraph, received

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("accelerate")
from gnuradio.semcom.train import export  # noqa: E402


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


OWN = "MyCoder"
LEARNT = [s.name for s in schemes.schemes().values() if s.trains_with and not s.closed_form]


@pytest.fixture
def folder_of_mine(tmp_path):
    """A folder outside the tree with the example's coder, loss and channel."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for file in ("my_coder.py", "my_training.py"):
        shutil.copy(ROOT / "examples" / "own_coder" / file, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LEARNT, OWN])
def test_two_seconds_of_training_end_in_a_picture(
    name, photographs, photo, folder_of_mine, tmp_path, monkeypatch, capsys
):
    out, scheme, own = tmp_path / "run", name, []
    if name == OWN:
        scheme = f"{folder_of_mine}/my_coder.py:MyCoder"
        training = f"{folder_of_mine}/my_training.py"
        own = ["--set", "widths=8,8,16", "--set", "latent=16", "--licence", "CC0-1.0"]
        own += ["--loss", f"{training}:edges", "--channel", f"{training}:bursts"]
    command = ["train", scheme, "--data", str(photographs), "--out", str(out), "--seconds", "2", "--crop", "64", *own]
    assert main([*command, "--batch", "2", "--threads", "1", "--validate-every", "1", "--export", "mine"]) == 0
    assert len(list(out.glob(f"{name}_mine_*coder.onnx"))) == 2
    monkeypatch.setenv("SEMCOM_MODELS", str(out))
    capsys.readouterr()

    # the folder of a training is a folder of weights, and says whose they are
    assert main(["models", "list"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    (about,) = (line for line in listed if line[:1] == [f"{name}_mine_encoder"])
    assert about[-3:] == ["your", "own", "yes"] and about[3:-3] == (["CC0-1.0"] if own else ["not", "stated"])

    link = [str(photo), "--scheme", scheme, "--variant", "mine", "--snr", "15", "--json", "--out", str(tmp_path / "l")]
    figures = []
    for level in ("symbol", "waveform"):
        assert main(["loopback", *link, "--level", level]) == 0
        figures.append(json.loads(capsys.readouterr().out))
        assert figures[-1]["lost"] == 0 and set(figures[-1]["weights"]) >= {f"{name}_mine_encoder.onnx"}
    record = tmp_path / "s.json"
    args = ["--images", str(photo), "--snr", "15", "--workers", "0", "--metrics", "psnr", "--out", str(record)]
    assert main(["sweep", "--scheme", scheme, "--variant", "mine", *args]) == 0
    point = json.loads(record.read_text())["points"][0]
    assert point["psnr_db"] == pytest.approx(figures[0]["psnr_db"], abs=0.01)
    flowgraph(scheme, photo, tmp_path, {"SEMCOM_MODELS": str(out)}, "mine")
    if own:  # a receiver with the weights knows whose bursts these are, without the class
        air = ["--via", f"sigmf:{tmp_path / 'air'}"]
        assert main(["tx", str(photo), "--scheme", OWN, "--variant", "mine", *air]) == 0
        assert main(["rx", "--json", "--out", str(tmp_path / "rx"), *air]) == 0
        said = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        assert said["scheme"] == OWN


def coder(folder, body: str) -> str:
    """A file with a class ``Coder``, of which a body is given."""
    header = "import torch\nfrom torch import nn\n\n\nclass Coder(nn.Module):\n"
    (folder / "mine.py").write_text(header + textwrap.indent(textwrap.dedent(body), "    "))
    return f"{folder / 'mine.py'}:Coder"


FITTING = """
    def __init__(self, width=8):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, width, 8, 8), nn.ConvTranspose2d(width, 3, 8, 8)
    def encode(self, x):
        return self.down(x)
    def decode(self, y):
        return self.up(y)
"""


@pytest.mark.parametrize(
    ("body", "more", "sentence"),
    [
        ("pass", [], "has no encode and no decode; a coder has encode(x) and decode(y)"),
        (FITTING.replace("8, 8)", "8, 7)"), [], "a stride that divides both sides was expected"),
        (FITTING.replace("width=8", "width=7"), [], "Coder.encode gives 7 channels; two make one symbol"),
        (FITTING.replace("self.up(y)", "y"), [], "Coder.decode gives float32 [2, 8, 8, 8] of images [2, 3, 64, 64]"),
        (FITTING.replace("self.down(x)", "x.no_such_thing"), [], "has no attribute 'no_such_thing' (line 11)"),
        (
            FITTING.replace("width=8", "width="),
            [],
            "does not run: SyntaxError: expected default value expression (line 7)",
        ),
        (FITTING, ["--set", "widht=16"], "--set widht is not a setting of "),
        (FITTING, ["--set", "width=sixteen"], "cannot be made with width=sixteen"),
        (FITTING, ["--set", "width"], "--set width sets nothing; write NAME=VALUE"),
        (FITTING, ["--loss", "nothing.py:loss"], "there is no file nothing.py"),
        (FITTING, ["--loss", "my_training.py:lots"], "has no lots; it has bursts, edges"),
        (FITTING, ["--loss", "my_training.py:wide"], "gives float32 [2, 3, 64, 64]; a scalar was expected"),
        (FITTING, ["--channel", "my_training.py:half"], "of symbols [1, 8, 12, 12]; the same was expected"),
        (FITTING, ["--channels", "32"], "--channels means nothing to "),
    ],
)
def test_what_is_wrong_with_a_class_of_ones_own_is_said(
    body, more, sentence, photographs, folder_of_mine, tmp_path, capsys
):
    with (folder_of_mine / "my_training.py").open("a") as file:
        file.write("\n\ndef wide(x, x_hat):\n    return x\n\n\ndef half(z, snr_db):\n    return z[:, :4], z[:, :4]\n")
    more = [text.replace("my_training.py", str(folder_of_mine / "my_training.py")) for text in more]
    command = ["train", coder(folder_of_mine, body), "--data", str(photographs), "--out", str(tmp_path / "run")]
    assert main([*command, "--steps", "1", "--crop", "64", "--batch", "2", *more]) in (2, 3)
    said = capsys.readouterr().err
    assert "Traceback" not in said and any(part in said for part in sentence.split("|")), said


def test_a_class_that_is_not_trained_yet_says_how(folder_of_mine, photo, capsys):
    text = coder(folder_of_mine, FITTING)
    assert main(["loopback", str(photo), "--scheme", text]) == 3
    assert "no weights of Coder are here; train some with `semcom train " in capsys.readouterr().err


def test_a_scheme_in_a_file_needs_no_package(photo, tmp_path, capsys):
    """As FILE.py:CLASS; what it sends is known by its name afterwards."""
    shutil.copy(ROOT / "examples" / "own_coder" / "toy_scheme.py", tmp_path)
    scheme = f"{tmp_path / 'toy_scheme.py'}:Toy"
    assert main(["loopback", str(photo), "--scheme", scheme, "--json", "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["scheme"] == "toy"


def test_a_training_goes_on_from_its_folder_alone(photographs, folder_of_mine, tmp_path):
    """The class is kept beside its weights: exporting needs nothing else; a loss of one's own may not change."""
    text, out = coder(folder_of_mine, FITTING), tmp_path / "run"
    command = ["train", text, "--data", str(photographs), "--out", str(out), "--crop", "64", "--batch", "2"]
    assert main([*command, "--steps", "2", "--threads", "1"]) == 0
    (folder_of_mine / "mine.py").unlink()
    assert main([arg if arg != text else f"{out}/mine.py:Coder" for arg in command] + ["--steps", "3"]) == 0
    net = export.load_network(out / "last.pt")
    assert net.coder.down.weight.shape == (8, 3, 8, 8)


@pytest.mark.parametrize("latent", [64, 192])
def test_a_latent_of_another_width_is_read_from_the_network(latent, smooth_image, tmp_path, monkeypatch):
    """It used to train, export, and then wait for ever; and bursts of another width are refused, not decoded."""
    from gnuradio.semcom.train.models import SAMSC

    # the identifier has 8 bits, so that weights drawn anew at each run sometimes share that of weights that are shipped
    torch.manual_seed(latent)
    net = SAMSC(widths=(8, 8, 8), latent=latent)
    for part in export.parts(net):
        export.write_onnx(
            export._Half(net, part.function), f"samsc_wide_{part.name}", tmp_path, part.inputs, [part.output],
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


def test_a_decoder_alone_goes_with_the_usual_encoder(photographs, smooth_image, tmp_path, monkeypatch, capsys):
    """Trained for another loss over an encoder that stays what it was: a receiver chooses between the two."""
    folder, out = tmp_path / "first", tmp_path / "second"
    common = ["--data", str(photographs), "--crop", "64", "--batch", "2", "--threads", "1"]
    assert main(["train", "deepjscc", *common, "--out", str(folder), "--steps", "2"]) == 0
    more = ["--from", str(folder), "--loss", "st_lpips", "--decoder-only", "--export", "vivid"]
    assert main(["train", "deepjscc", *common, "--out", str(out), "--steps", "4", *more]) == 0
    assert [path.name for path in out.glob("*.onnx")] == ["deepjscc_vivid_decoder.onnx"]
    before = torch.load(folder / "averages.pt", weights_only=True)["weights"]  # float16, as they ship
    after = torch.load(out / "last.pt", weights_only=True)["net"]
    kept = {name for name, value in after.items() if torch.equal(value, before[name].float())}
    assert {name for name in after if name.startswith("g_a")} <= kept < set(after)
    assert json.loads((out / "recipe.json").read_text())["loss"] == "st_lpips"

    monkeypatch.setenv("SEMCOM_MODELS", str(out))
    known = schemes.get("deepjscc").variants()
    assert "vivid" in known and known["vivid"] != known["original"]
    image = smooth_image(64, 96)
    usual, vivid = (bursts_of("deepjscc", image, {"variant": name}) for name in ("original", "vivid"))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(usual, vivid, strict=True))
    told = [received(bursts)[0][0].decoded.image for bursts in (usual, vivid)]  # by the header
    chosen = [received(bursts, variant="vivid")[0][0].decoded.image for bursts in (usual, vivid)]
    assert not np.array_equal(*told)
    assert np.array_equal(told[1], chosen[0]) and np.array_equal(told[1], chosen[1])
    (refused,), _ = received(usual, variant="gdn")
    assert refused.decoded is None and "use the same weights at both ends" in refused.error
    capsys.readouterr()
    assert main(["train", "softcast", *common[:2], "--out", str(tmp_path / "c"), "--decoder-only"]) == 2
    assert "--decoder-only means nothing to softcast" in capsys.readouterr().err
