# SPDX-License-Identifier: GPL-3.0-or-later
"""The help of the command, its manual and completion, what it prints for programs, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from gnuradio.semcom import __version__, schemes
from gnuradio.semcom.cli import main
from gnuradio.semcom.cli.app import app
from gnuradio.semcom.cli.help import EXIT_STATUS, pages, written
from PIL import Image
from typer.main import get_command

COMMAND = Path(sys.prefix) / "bin" / "semcom"
SHARE = Path(sys.prefix) / "share"
PATIENCE = 100  # seconds until a test gives up


def semcom(*arguments, **environment):
    """Run the command; (exit status, standard output, standard error)."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, env=os.environ | environment
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def quick(capsys):
    """The same in this process; what is loaded once need not be loaded again."""

    def run(*arguments):
        status = main(list(map(str, arguments)), program="semcom")
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def known():
    """The page of every command by its name."""
    return {page.name: page for page in pages(get_command(app()), "semcom")}


@pytest.fixture
def report(tmp_path):
    """What an Image Sink writes of a picture."""
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"psnr_db": 30.5, "seconds": {"encode": 0.5}, "images": {"received": "a.png"}}))
    return file


@pytest.fixture
def dot(tmp_path):
    """A small photograph."""
    file = tmp_path / "dot.png"
    Image.linear_gradient("L").convert("RGB").resize((64, 48)).save(file)
    return file


@pytest.fixture
def free_port():
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_of_the_help_is_longer_than_the_terminal(known, width):
    for page in known.values():
        for line in written(page, width):
            words = line.split()
            # an option with its value is one piece
            assert len(line) <= width or (len(words) <= 3 and line.startswith("  --")), (page.name, line)


def test_the_help_says_everything_that_a_command_takes(known):
    command = get_command(app())
    options = {name for name, _ in dict(known["semcom loopback"].sections)["Options"]}
    assert {"--scheme NAME", "--snr DB", "--rate K/N", "--out PATH", "--json", "--levels/--no-levels"} <= options
    of_schemes = dict(dict(known["semcom loopback"].sections)["Options of the schemes"])
    assert of_schemes["--codec NAME"].endswith("(jpeg, jpeg2000, avif; default: avif)")
    for page in known.values():
        for title, entries in page.sections:
            assert all(term and text for term, text in entries), (page.name, title)
    assert set(command.commands) == {name for name, _ in dict(known["semcom"].sections)["Commands"]}


def test_help_and_version_and_no_command():
    assert semcom("--version") == (0, f"semcom {__version__}\n", "")
    status, out, err = semcom("models", "--help", COLUMNS="60")
    assert (status, err) == (0, "") and max(map(len, out.splitlines())) <= 60
    status, out, err = semcom()
    assert (status, out) == (2, "") and err.startswith("Usage: semcom [OPTIONS] COMMAND ...") and "loopback" in err


def test_manual_and_completion_are_those_of_the_command(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/command_files.py", "--out", tmp_path], check=True, timeout=PATIENCE)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {
        path.relative_to(ROOT / "apps"): path.read_text()
        for folder in ("man", "completion")
        for path in (ROOT / "apps" / folder).iterdir()
    }
    assert made == kept, "run python tools/command_files.py"


def test_manual_and_completion_are_installed_and_sound():
    installed = sorted((SHARE / "man/man1").glob("semcom*.1"))
    assert [path.name for path in installed] == sorted(path.name for path in (ROOT / "apps/man").iterdir())
    for path in installed:
        if Path("/usr/bin/groff").exists():
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", path], capture_output=True, text=True, timeout=PATIENCE
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert "EXIT STATUS" in re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    for name in ("zsh/site-functions/_semcom", "fish/vendor_completions.d/semcom.fish"):
        assert "_SEMCOM_COMPLETE" in (SHARE / name).read_text()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("semcom lo", ["loopback"]),
        ("semcom loopback --scheme s", ["softcast", "samsc", "segsc", "semcom"]),
        ("semcom sweep --scheme digital,de", ["digital,deepjscc"]),
        ("semcom loopback --codec jpeg2", ["jpeg2000"]),
        ("semcom sweep --channel awgn,ri", ["awgn,rician"]),
        ("semcom scene encode --purpose f", ["fidelity"]),
        ("semcom rx --variant perc", ["perceptual"]),
        ("semcom train cap", ["captioner"]),
        ("semcom models fetch sam_enc", ["sam_encoder", "sam_encoder_int8"]),
        ("semcom loopback --image", []),
    ],
)
def test_bash_completes_values_from_the_registry(typed, offered):
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
        _semcom_completion semcom
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    file = SHARE / "bash-completion/completions/semcom"
    done = subprocess.run(
        ["bash", "-c", script, "bash", file, *typed.split()],
        capture_output=True, text=True, timeout=PATIENCE, env=os.environ | {"PATH": f"{COMMAND.parent}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.split() == offered, done.stderr


def test_schemes_are_listed_from_the_registry(quick, monkeypatch):
    status, out, err = quick("schemes", "--json")
    assert (status, err) == (0, "")
    found = {each["name"]: each for each in json.loads(out)["schemes"]}
    assert set(found) == set(schemes.names())
    assert found["digital"]["options"]["codec"]["choices"] == ["jpeg", "jpeg2000", "avif"]
    monkeypatch.setenv("COLUMNS", "60")
    status, out, _ = quick("schemes", "digital")
    assert status == 0 and "--codec" in out and max(map(len, out.splitlines())) <= 60
    status, out, err = quick("schemes", "h264")
    assert (status, out) == (2, "") and "there is no scheme 'h264'; choose softcast" in err


def test_what_programs_read_is_json_and_nothing_else(report, quick):
    def only_json(*arguments):
        status, out, err = quick(*arguments, "--json")
        assert err == ""
        return status, [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]

    status, (doctor,) = only_json("doctor")
    assert status == (0 if doctor["ok"] else 3) and doctor["ok"] is not bool(doctor["remedies"])
    assert {"part", "state", "remedy"} == set(doctor["findings"][0])
    status, (models,) = only_json("models", "list")
    aseg = next(each for each in models["models"] if each["name"] == "aseg")
    assert status == 0 and aseg["bytes"] == Path(aseg["path"]).stat().st_size and len(aseg["sha256"]) == 64
    assert only_json("models", "fetch", "--missing") == (0, [{"files": []}])
    status, reports = only_json("report", report, report)
    assert status == 0 and len(reports) == 2 and reports[0]["psnr_db"] == 30.5 and reports[0]["file"] == str(report)


def test_remedies_do_not_disturb_the_json_of_the_doctor(tmp_path):
    script = """
import sys
from gnuradio.semcom.cli import doctor
doctor.examine = lambda: iter([doctor.Finding("part", "missing", "echo what a command says")])
sys.exit(doctor.report(fix=True, as_json=True))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert isinstance(json.loads(done.stdout)["findings"], list)
    assert "running echo what a command says\nwhat a command says\n" in done.stderr


def test_the_usual_scheme_is_semcom(known, tmp_path, dot, quick):
    for name in ("loopback", "tx", "sweep"):
        (text,) = (text for term, text in dict(known[f"semcom {name}"].sections)["Options"] if "--scheme" in term)
        assert text.endswith("(default: semcom)")
    status, out, _ = quick("sweep", "--images", dot, "--out", tmp_path / "s.json", "--workers", 0, "--metrics", "psnr")
    assert status == 0 and out.startswith(f"wrote {tmp_path / 's.json'}: ")
    assert json.loads((tmp_path / "s.json").read_text())["scheme"] == "semcom"


def test_each_command_says_which_files_it_wrote(tmp_path, dot, quick):
    figures = tmp_path / "s.json"
    quick("sweep", "--scheme", "softcast", "--images", dot, "--out", figures, "--workers", 0, "--metrics", "psnr")
    assert quick("plot", figures, "-o", tmp_path / "p.svg") == (0, f"wrote {tmp_path / 'p.svg'}\n", "")
    assert (tmp_path / "p.svg").exists()
    scene = tmp_path / "x.scene"
    assert f"wrote {scene}\n" in quick("scene", "encode", dot, "-o", scene, "--purpose", "map")[1]
    assert f"wrote {tmp_path / 'm.png'}\n" in quick("scene", "show", scene, "--map", tmp_path / "m.png")[1]
    painted = quick("scene", "decode", scene, "-o", tmp_path / "d.png", "--painter", "plain")
    assert painted == (0, f"wrote {tmp_path / 'd.png'}\n", "")
    status, out, _ = quick("loopback", dot, "--scheme", "softcast", "--metrics", "none", "--out", tmp_path / "o")
    named = [line.removeprefix("wrote ").partition(": ")[0] for line in out.splitlines() if line.startswith("wrote ")]
    assert status == 0 and len(named) == 3 and all(Path(path).exists() for path in named)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("schemes",), 0),
        (("loopback", "{dot}", "--scheme", "digital", "--mcs", "27", "--snr=-20", "--out", "{tmp}"), 1),
        (("loopback",), 2),
        (("loopback", "{tmp}/none.png"), 2),
        (("nosuch",), 2),
        (("models", "fetch", "vit_b"), 3),
    ],
)
def test_exit_status_is_what_the_manual_says(arguments, expected, dot, tmp_path, quick):
    status, _, err = quick(*(each.format(dot=dot, tmp=tmp_path) for each in arguments))
    assert status == expected and str(expected) in dict(EXIT_STATUS)
    assert err == "" if status == 0 else re.fullmatch(r"semcom: .+\n", err)


@pytest.mark.parametrize(("command", "number"), [("loopback", signal.SIGINT), ("sweep", signal.SIGTERM)])
def test_an_interrupted_command_says_so(command, number, astronaut, tmp_path):
    many = ["--images", astronaut, "--snr=0:40:0.01", "--workers", 0, "--out", tmp_path / "out.json"]
    arguments = [command, *([astronaut, "--out", tmp_path] if command == "loopback" else many), "--scheme", "softcast"]
    process = subprocess.Popen(
        list(map(str, [COMMAND, *arguments])), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    _busy(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and err.startswith("semcom: interrupted")


def _busy(process: subprocess.Popen) -> None:
    """Wait until GNU Radio or the sweep is loaded, which is when signals have their handlers."""
    status = Path(f"/proc/{process.pid}/status")
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        caught = int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
        select.select([], [], [], 0.05)
    pytest.fail("no handler of signals")


@pytest.mark.parametrize("end", ["tx", "rx"])
def test_who_waits_says_what_for(end, dot, tmp_path, free_port):
    via = f"zmq:tcp://127.0.0.1:{free_port}"
    arguments = ["tx", dot, "--scheme", "softcast"] if end == "tx" else ["rx", "--out", tmp_path]
    process = subprocess.Popen(
        [str(each) for each in (COMMAND, *arguments, "--via", via)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        ready, _, _ = select.select([process.stderr], [], [], PATIENCE)
        said = process.stderr.readline().decode() if ready else ""
    finally:
        process.kill()
        process.communicate()
    wanted = f"a receiver at {via}; start semcom rx" if end == "tx" else f"samples from {via}; is a transmitter running"
    assert said.startswith(f"semcom: waiting for {wanted}")


SLOW = """
import sys, time
from gnuradio.semcom.cli import progress
progress.PATIENCE = 0.05
with progress.working("counting sheep"):
    time.sleep(0.6)
print("done")
"""


def test_what_takes_long_says_so_on_a_terminal_only():
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SLOW],
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=PATIENCE,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 0)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end of the terminal is closed
            break
    os.close(ours)
    assert done.stdout == b"done\n" and b"counting sheep" in shown
    piped = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, timeout=PATIENCE)
    assert (piped.stdout, piped.stderr) == (b"done\n", b"")


def test_a_usage_error_names_the_page_that_helps(capsys):
    assert main(["scene", "encode", "photo.png"], program="semcom") == 2
    assert capsys.readouterr().err == "semcom: missing option '--out' / '-o'; see semcom scene encode --help\n"


def test_the_version_stands_in_one_place():
    text = (ROOT / "python/semcom/__init__.py").read_text()
    version = re.search(r'^__version__ = "(.+?)"', text, re.M)[1]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
    assert __version__ == version
