# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block definition is complete, every example compiles with grcc, and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from gnuradio import semcom
from PIL import Image

EXAMPLES = sorted((ROOT / "examples").rglob("*.grc"))
DEFINITIONS = sorted((ROOT / "grc").glob("*.block.yml"))
HEADLESS = [e for e in EXAMPLES if e.parent.name == "headless"]
GUI = [e for e in EXAMPLES if e.parent.name == "gui"]
ENV = os.environ | {
    "GRC_BLOCKS_PATH": str(Path(sys.prefix) / "share/gnuradio/grc/blocks"),
    "PYTHONPATH": sysconfig.get_path("purelib"),
    "QT_QPA_PLATFORM": "offscreen",
}


def compiled(example: Path, out: Path) -> Path:
    done = subprocess.run(
        [shutil.which("grcc"), "-o", out, example], capture_output=True, text=True, timeout=120, env=ENV
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (script,) = out.glob("*.py")
    return script


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda p: p.name.split(".")[0])
def test_block_definition_is_complete(path):
    block = yaml.safe_load(path.read_text())
    assert block["documentation"].strip() and block["file_format"] == 1
    for parameter in block["parameters"]:
        if parameter["dtype"] != "gui_hint":
            assert "default" in parameter, parameter["id"]
    for word in ("Input", "Output", "Parameters"):
        if (word == "Input" and not block.get("inputs")) or (word == "Output" and not block.get("outputs")):
            continue
        assert f"{word}" in block["documentation"], word
    assert hasattr(semcom, block["id"].removeprefix("semcom_"))
    tree = (ROOT / "grc" / "semcom.tree.yml").read_text()
    assert block["id"] in tree


@pytest.mark.parametrize("example", HEADLESS, ids=lambda p: p.stem)
def test_headless_example_runs_to_its_end(example, tmp_path):
    script = compiled(example, tmp_path)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, env=ENV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (montage,) = (p for p in (tmp_path / "received").glob("*.png") if "_" not in p.stem.removeprefix("skimage_"))
    assert Image.open(montage).width > 1000


@pytest.mark.parametrize("example", GUI, ids=lambda p: p.stem)
def test_gui_example_runs_and_moves_its_slider(example, tmp_path):
    """Two images through the window offscreen, the SNR moved in between; then the window is closed."""
    script = compiled(example, tmp_path)
    driver = tmp_path / "drive.py"
    driver.write_text(
        f"""
import sys
sys.path.insert(0, {str(script.parent)!r})
from PyQt5 import Qt
import {script.stem} as flow
app = Qt.QApplication(sys.argv)
tb = flow.{script.stem}(repeat=2)
tb.start()
tb.show()
timer = Qt.QTimer()
def look():
    if len(tb.sink.results) == 1:
        tb.set_snr_db(3.0)
    if len(tb.sink.results) == 2:
        app.quit()
timer.timeout.connect(look)
timer.start(20)
Qt.QTimer.singleShot(120_000, app.quit)
app.exec_()
tb.stop()
tb.wait()
assert tb.get_snr_db() == 3.0
if hasattr(tb.channel, "snr_db"):
    assert tb.channel.snr_db() == 3.0
assert len(tb.sink.results) == 2 and not any("error" in r for r in tb.sink.results)
"""
    )
    done = subprocess.run([sys.executable, driver], capture_output=True, text=True, timeout=200, env=ENV, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def platform():
    """GNU Radio Companion's own view of the blocks, without its window."""
    from gnuradio import gr
    from gnuradio.grc.core.platform import Platform

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRC_BLOCKS_PATH", str(ROOT / "grc"))
        made = Platform(version="test", version_parts=("3", "10", "5"), prefs=gr.prefs())
        made.build_library()
    return made


@pytest.mark.parametrize(
    ("block", "parameter", "value", "shown"),
    [
        ("jscc_encoder", "scheme", "'samsc'", {"variant"}),
        ("jscc_encoder", "scheme", "'semcom'", {"rate", "use_mask"}),
        ("jscc_encoder", "scheme", "'witt'", set()),
        ("jscc_transmitter", "scheme", "'semcom'", {"rate", "use_mask"}),
        ("jscc_decoder", "scheme", "'samsc'", {"variant"}),
        ("jscc_receiver", "scheme", "'softcast'", set()),
        ("symbol_channel", "model", "'rician'", {"k_factor_db"}),
        ("waveform_channel", "fading", "'rician'", {"k_factor_db", "doppler"}),
        ("waveform_channel", "fading", "'none'", set()),
    ],
)
def test_parameters_are_shown_where_they_apply(platform, block, parameter, value, shown):
    """The value of an enumeration keeps its quotes in GNU Radio Companion: a comparison without them is never true."""
    graph = platform.make_flow_graph()
    made = graph.new_block(f"semcom_{block}")
    made.params[parameter].set_value(value)
    made.rewrite()
    depends = {"variant", "rate", "use_mask", "background", "k_factor_db", "doppler"} & made.params.keys()
    assert {key for key in depends if made.params[key].hide != "all"} == shown
