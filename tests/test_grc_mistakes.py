# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong flowgraphs: GNU Radio Companion says what is wrong in a sentence before they run."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from conftest import ROOT
from gnuradio.semcom import companion, keys

WAVEFORM, DIGITAL, SCENE = "jscc_over_waveform", "digital_over_waveform", "esisc_loopback"
SAM, SENDING, REPLAY = "sam_jscc_loopback", "two_process_tx", "sigmf_replay"


class Mistake(NamedTuple):
    """A field of a block in an example, and what is said of it."""

    example: str
    kind: str
    values: dict[str, str]
    sentence: str


MISTAKES = [
    Mistake(WAVEFORM, "image_source", {"path": "/no/such/photo.png"}, "File or Folder is not there"),
    Mistake(SAM, "sam_segmenter", {"prompts": "pont:220,150"}, "Prompts are not understood"),
    Mistake(SENDING, "radio_sink", {"via": "zqm:tcp://127.0.0.1:5555"}, "Via is not understood"),
    Mistake(WAVEFORM, "transmitter", {"rate": "1/6"}, "Rate k/n of scheme samsc must be 1/12"),
    Mistake(DIGITAL, "transmitter", {"mcs": "40"}, "MCS must be auto, 0 to 31 (LDPC)"),
    Mistake(WAVEFORM, "transmitter", {"variant": "'mine'"}, "Trained on has no such weights here"),
    Mistake(WAVEFORM, "receiver", {"key": "/no/such/link.key"}, "Key File is not there or is no key file"),
    Mistake(WAVEFORM, "waveform_channel", {"snr_db": "1000"}, "Es/N0 must be -100 to 100 dB, or None"),
    Mistake(DIGITAL, "transmitter", {"loss": "1"}, "Loss must be a share between 0 and 1"),
    Mistake(WAVEFORM, "receiver", {"fft_len": "100"}, "FFT Length must be 64, 128, 256 or 512"),
    Mistake(WAVEFORM, "image_sink", {"folder": "/dev/null/received"}, "Folder cannot be written to"),
    Mistake(WAVEFORM, "transmitter", {"scheme": "'onnx:/no/e.onnx,/no/d.onnx'"}, "Scheme names files that are not"),
    Mistake(SCENE, "transmitter", {"sam": "/no/such/sam.pth"}, "SAM is not here"),
    Mistake(REPLAY, "radio_source", {"via": "sigmf:/no/such/recording"}, "Via names a recording that is not there"),
]


def flowgraph(platform, example: str, kind: str = "", values: dict[str, str] | None = None, folder: Path | None = None):
    """An example with other values in the one block of a kind, as GNU Radio Companion loads it."""
    path = ROOT / "examples" / "headless" / f"{example}.grc"
    if values is not None:
        saved: dict[str, Any] = yaml.safe_load(path.read_text())
        (block,) = (each for each in saved["blocks"] if each["id"] == f"semcom_{kind}")
        block["parameters"] |= values
        path = folder / f"{example}.grc"
        path.write_text(yaml.safe_dump(saved))
    graph = platform.make_flow_graph(str(path))
    graph.rewrite()
    graph.validate()
    return graph


def said(graph) -> list[str]:
    """What stands in the window of a flowgraph that cannot run."""
    return [str(message) for _, message in graph.iter_error_messages()]


@pytest.mark.parametrize("example", sorted({mistake.example for mistake in MISTAKES}))
def test_the_examples_themselves_are_right(platform, example):
    assert said(flowgraph(platform, example)) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.sentence)
def test_a_mistake_is_said_before_anything_runs(platform, tmp_path, mistake):
    """In one sentence, which is in the page that tells what to do."""
    graph = flowgraph(platform, mistake.example, mistake.kind, mistake.values, tmp_path)
    (message,) = said(graph)
    assert message.startswith(f'Assertion ""{mistake.sentence}') and message.endswith('" failed.')
    assert not graph.is_valid()
    sentence = message.split('"')[2]
    assert f"| {sentence} |" in (ROOT / "docs" / "troubleshooting.md").read_text().replace("\\|", "|")


def test_grcc_says_the_same(tmp_path, platform):
    """And writes no script."""
    mistake = MISTAKES[1]
    flowgraph(platform, mistake.example, mistake.kind, mistake.values, tmp_path)
    env = {"GRC_BLOCKS_PATH": str(ROOT / "grc"), "PYTHONPATH": sysconfig.get_path("purelib"), "HOME": str(tmp_path)}
    command = [Path(sys.prefix) / "bin" / "grcc", "-o", tmp_path, tmp_path / f"{mistake.example}.grc"]
    command[0] = command[0] if command[0].exists() else "grcc"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env | {"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0 and mistake.sentence in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.py"))


@pytest.mark.parametrize("mistake", MISTAKES[:4], ids=lambda mistake: mistake.sentence)
def test_a_variable_counts_by_its_value(platform, tmp_path, mistake):
    """A wrong one is refused, a right one is not."""
    ((field, wrong),) = mistake.values.items()
    right = flowgraph(platform, mistake.example).blocks
    (block,) = (each for each in right if each.key == f"semcom_{mistake.kind}")
    values = {"right": repr(block.params[field].get_evaluated()), "wrong": wrong if field == "rate" else repr(wrong)}
    for which, value in values.items():
        graph = flowgraph(platform, mistake.example, mistake.kind, {field: "my_choice"}, tmp_path)
        chosen = graph.new_block("variable")
        chosen.params["id"].set_value("my_choice")
        chosen.params["value"].set_value(value)
        graph.rewrite()
        graph.validate()
        assert len(said(graph)) == (which == "wrong"), said(graph)


def test_what_is_there_is_no_mistake(tmp_path):
    """Nor is what only the folder of the flowgraph tells, or only its start."""
    keys.make(tmp_path / "link.key")
    (tmp_path / "air.sigmf-meta").write_text("{}")
    for path in ("", "link.key", "~/nothing/of/that/name"[2:], str(tmp_path / "link.key")):
        assert companion.is_there(path) and companion.is_key(path)
    assert companion.is_there(str(tmp_path)) and not companion.is_key(str(tmp_path))
    assert companion.is_folder(str(tmp_path / "new" / "one")) and not companion.is_folder(str(tmp_path / "link.key"))
    assert companion.is_file_to_write(str(tmp_path / "new.txt")) and not companion.is_file_to_write(str(tmp_path))
    assert companion.is_recording(f"sigmf:{tmp_path / 'air'}") and companion.is_recording("zmq:tcp://127.0.0.1:1")
    assert companion.is_recording_to_write(f"sigmf:{tmp_path / 'new'}")
    assert not companion.is_recording_to_write(f"sigmf:{tmp_path / 'link.key' / 'new'}")
    assert companion.are_prompts("point:1,2; class:dog") and companion.are_prompts("")
    assert all(map(companion.is_mcs, ("auto", "4", 4, 31, 52))) and not any(map(companion.is_mcs, (-1, 40, "x")))
    assert companion.is_protection("auto") and companion.is_protection("0,2,4") and not companion.is_protection("0,2")
    assert companion.has_weights("registered_later", "mine") and companion.is_scheme("registered_later")
    assert companion.has_weights("semcom", "") and companion.has_weights("softcast", "")
    assert not companion.is_there("/a\0b") and not companion.is_key("/a\0b")


def test_weights_that_were_put_there_are_seen(tmp_path, monkeypatch):
    """Cards are read again when a folder has changed."""
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path))
    assert not companion.is_sam("vit_b")
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"weights")
    assert companion.is_sam("vit_b")
    monkeypatch.setenv("SEMCOM_MODELS", str(tmp_path / "gone"))
    assert not companion.has_weights("semcom", "")
