# SPDX-License-Identifier: GPL-3.0-or-later
"""What was received, and what others wrote into files, on a terminal."""

from __future__ import annotations

import io
import json

import pmt
import pytest
from gnuradio import semcom
from gnuradio.semcom import cli, plain
from gnuradio.semcom.blocks import pdu

NASTY = "[/foo] \x1b[31mred\x1b]0;title\x07\nsemcom: forged\r\u2028\u202eright [bold]to\udce9 \x9b2J left"


def is_plain(text: str) -> bool:
    return text.isprintable() and text.encode() is not None


def test_a_line_is_one_line_of_characters():
    assert plain.line("Ein Satz, 長い, \U0001f600.") == "Ein Satz, 長い, \U0001f600."
    assert is_plain(plain.line(NASTY)) and "[/foo]" in plain.line(NASTY)
    assert plain.line("abc\ndef", 5) == "abc …" and plain.line(17) == "17"
    assert plain.text("caf\udce9\n") == "caf\ufffd\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_need_not_know_every_character(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    plain.write(stream, ["長", ("a\tb", NASTY)])
    lines = stream.buffer.getvalue().decode(encoding).splitlines()
    assert len(lines) == 2 and lines[1].count("\t") == 1


def test_a_report_shows_what_was_received_as_it_is(tmp_path, capsys):
    file = tmp_path / "[red]a.json"
    images = {NASTY: NASTY}
    file.write_text(
        json.dumps({"caption": NASTY, "psnr_db": 20.0, "score": 0.5, "images": images, "seconds": {NASTY: 1}})
    )
    assert cli.main(["report", str(file)]) == 0
    out = capsys.readouterr().out
    assert all(map(is_plain, out.splitlines())) and "[/foo]" in out and "[red]a" in out and "0.500" in out
    assert not any(line.startswith("semcom:") for line in out.splitlines())


@pytest.mark.parametrize(
    "content",
    [
        [1],
        3,
        None,
        "a",
        {"psnr_db": "loud"},
        {"psnr_db": True},
        {"images": [1]},
        {"seconds": {"a": "b"}},
        {"seconds": 1},
    ],
)
def test_a_report_that_is_none_is_a_sentence(tmp_path, capsys, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert cli.main(["report", str(tmp_path / "a.json")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "is no report of an Image Sink" in said.err


def test_an_error_names_a_file_without_its_escapes(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path / NASTY.replace("/", ""))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert is_plain(line)


def test_sinks_and_inspectors_print_plain_lines(tmp_path, capsys):
    sink = semcom.text_sink(str(tmp_path / "captions.txt"))
    sink.work_on("in", pdu.from_bytes(NASTY.encode("utf-8", "replace"), {}), {"image_id": 3, "name": NASTY})
    out = capsys.readouterr().out
    (line,) = out.splitlines()
    assert line.count("\t") == 1 and is_plain(line.replace("\t", "")) and (tmp_path / "captions.txt").read_text() == out
    inspector = semcom.scene_inspector()
    inspector.work_on("in", pdu.from_bytes(b"", {}), {"image_id": 3, "name": NASTY})
    assert all(map(is_plain, capsys.readouterr().out.splitlines()))


def test_names_that_are_no_utf8_travel_as_text():
    assert pdu.dictionary(pdu.message({"name": "caf\udce9"})) == {"name": "caf\ufffd"}
    assert pmt.is_dict(pmt.car(pdu.failure({"name": "\udce9"}, "\udce9")))
