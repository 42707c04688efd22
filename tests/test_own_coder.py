# SPDX-License-Identifier: GPL-3.0-or-later
"""The tutorial of examples/own_coder: its commands run as they stand on the page."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

OWN_CODER = ROOT / "examples" / "own_coder"
PAGE = (OWN_CODER / "README.md").read_text()
LONGEST = 300  # seconds that a shell may take
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
OWN, NETWORKS, CLASS = (
    [code for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", part, re.M | re.S) if language == "sh"]
    for part in re.split(r"^## (?:Two ONNX files|A scheme of your own in Python)$", PAGE, flags=re.M)
)
CHELSEA = (451, 300)


def block(language: str) -> str:
    """The only block of code in a language."""
    (code,) = (code for named, code in BLOCKS if named == language)
    return code


def shell(commands: list[str], folder: Path, **env: str) -> str:
    """What a user's shell prints, at an address that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        script = "\n".join(commands).replace("127.0.0.1:5555", f"127.0.0.1:{probe.getsockname()[1]}")
    env = os.environ | {"SEMCOM": str(ROOT), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"} | env
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=LONGEST
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_class_goes_from_an_empty_folder_to_a_picture(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    shell(OWN, tmp_path)
    report = json.loads(next((tmp_path / "received").glob("*.json")).read_text())
    assert report["psnr_db"] > 20 and report["lost"] == 0 and report["scheme"] == "MyCoder"
    assert {path.name for path in (tmp_path / "results").glob("*.json")} == {
        "mine_MyCoder_first.json",
        "mine_softcast.json",
    }
    assert (tmp_path / "mine.svg").stat().st_size > 1000
    (picture,) = (tmp_path / "replayed_mine").glob("*_received.png")
    assert Image.open(picture).size == CHELSEA
    card = json.loads((tmp_path / "other" / "MyCoder_bursty_encoder.json").read_text())
    recipe = card["recipe"]
    tracked = (tmp_path / "figures.csv").read_text()
    assert "held_out_psnr_db/10_db" in tracked and "learning_rate" in tracked
    assert card["licence"] == "CC-BY-4.0" and recipe["options"] == {"widths": [16, 32, 48]}
    assert recipe["loss"] == "my_training.py:edges" and recipe["channel"] == "my_training.py:bursts"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    cells = json.loads((OWN_CODER / "own_coder.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "notebook.py").write_text("\n\n".join(code))
    said = shell([f"{sys.executable} notebook.py"], tmp_path)
    assert "MyCoder {0.0: " in said and "softcast {0.0: " in said


@pytest.mark.slow
def test_two_networks_go_from_an_empty_folder_to_a_picture(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    shell(NETWORKS, tmp_path)
    report = json.loads(next((tmp_path / "received").glob("*.json")).read_text())
    assert report["psnr_db"] > 25 and report["lost"] == 0
    files = sorted((tmp_path / "results").glob("own_*.json"))
    points = {json.loads(path.read_text())["scheme"]: json.loads(path.read_text())["points"] for path in files}
    assert set(points) == {"onnx:encoder.onnx,decoder.onnx", "softcast"}
    for measured in points.values():
        assert [point["psnr_db"] for point in measured] == sorted(point["psnr_db"] for point in measured)
    assert (tmp_path / "own.svg").stat().st_size > 1000
    for folder in ("received", "replayed", "live"):
        (picture,) = (tmp_path / folder).glob("*_received.png")
        assert Image.open(picture).size == CHELSEA


def test_a_class_is_registered_and_installed(tmp_path):
    (tmp_path / "script.py").write_text(block("python"))
    (tmp_path / "pyproject.toml").write_text(block("toml"))
    site = str(tmp_path / "site")
    path = os.pathsep.join(filter(None, (site, os.environ.get("PYTHONPATH"))))
    # into a folder of this test, with the setuptools that are here
    shell(CLASS, tmp_path, PIP_TARGET=site, PIP_NO_BUILD_ISOLATION="0", PIP_QUIET="1", PYTHONPATH=path)
    for folder, number in (("toy", 2), ("received", 1)):
        pictures = list((tmp_path / folder).glob("*_received.png"))
        assert [Image.open(picture).size for picture in pictures] == [CHELSEA] * number


def test_the_autoencoder_is_forty_lines():
    """As the page says, and the class is shorter than 60."""
    assert len((OWN_CODER / "my_coder.py").read_text().splitlines()) < 60
    lines = (OWN_CODER / "autoencoder.py").read_text().splitlines()
    assert len(list(filter(str.strip, lines))) <= 40
