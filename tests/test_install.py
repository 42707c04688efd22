# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plain system install says of itself, what mends it, and that it leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from gnuradio.semcom.cli import doctor

# a Python that has nothing but its standard library
BARE = """
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in (*sys.stdlib_module_names, "semcom"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
from semcom.cli import main
sys.exit(main(sys.argv[1:]))
"""
PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(consumer NONE)
configure_file({root}/cmake/cmake_uninstall.cmake.in uninstall.cmake @ONLY)
add_custom_target(uninstall ${{CMAKE_COMMAND}} -P uninstall.cmake)
install(FILES code.py DESTINATION lib/python3/dist-packages/gnuradio/semcom/part)
install(FILES code.py DESTINATION share/gnuradio/semcom)
install(FILES code.py DESTINATION share/bash-completion/completions)
install(FILES code.py DESTINATION share/zsh/site-functions)
install(FILES code.py DESTINATION share/fish/vendor_completions.d)
"""


def bare(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r})\n" + BARE]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)


def test_doctor_needs_the_standard_library_only():
    done = bare("doctor")
    assert (done.returncode, done.stderr) == (3, "")
    lines = done.stdout.splitlines()
    assert any(line.startswith("GNU Radio") and "missing" in line for line in lines)
    assert doctor.GNURADIO in lines[lines.index("") :]


def test_another_command_says_what_is_missing():
    done = bare("loopback", "photo.png")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "semcom: the Python package typer is missing; run semcom doctor --fix\n"


def test_packages_that_are_missing_are_installed_by_one_line(tmp_path):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("numpy>=1.24,<3\nno-such-package==1.0\nnor-this>=2\n")
    assert doctor.lacking(wanted) == ["no-such-package", "nor-this"]
    # what is there stays as it is
    expected = "-m pip install --only-binary :all: no-such-package==1.0 'nor-this>=2'"
    assert doctor.install_line(wanted).endswith(expected)


def test_the_list_of_packages_is_that_of_pyproject_for_this_python(tmp_path):
    out = tmp_path / "requirements.txt"
    command = [sys.executable, "-B", ROOT / "cmake/needs.py", out, "cpu", "radio", "sweep"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = out.read_text().splitlines()
    assert [line for line in lines if line.startswith("numpy")] == [
        "numpy==1.26.4" if sys.version_info < (3, 13) else "numpy>=2.2.4,<3"
    ]
    assert {"pillow", "onnxruntime", "sigmf", "distributed"} <= {line.partition("==")[0] for line in lines}


@pytest.mark.parametrize("command", ["touch", "false", "no-such-command"])
def test_what_is_missing_is_mended(command, tmp_path, monkeypatch, capfd):
    remedy = f"{command} {tmp_path / 'mended'}"
    monkeypatch.setattr(doctor, "examine", lambda: iter([doctor.Finding("part", "missing", remedy)]))
    assert doctor.report() == 3 and remedy in capfd.readouterr().out
    mended = doctor.report(fix=True)
    out, err = capfd.readouterr()
    if command == "touch":
        assert (mended, err) == (0, "") and (tmp_path / "mended").exists() and "GNU Radio" in out
    else:
        assert mended == 3 and err.startswith(f"semcom: {remedy} failed (") and "Traceback" not in err


def test_an_uninstalled_module_leaves_nothing(tmp_path):
    source, prefix = tmp_path / "source", tmp_path / "prefix"
    source.mkdir()
    (source / "code.py").write_text("pass\n")
    (source / "CMakeLists.txt").write_text(PROJECT.format(root=ROOT))
    kept = prefix / "share/gnuradio/grc"
    kept.mkdir(parents=True)
    (kept / "another.yml").write_text("")

    def cmake(*arguments: str | Path) -> None:
        subprocess.run(["cmake", *arguments], check=True, capture_output=True, timeout=60)

    cmake("-S", source, "-B", tmp_path / "build", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    cmake("--install", tmp_path / "build")
    compiled = prefix / "lib/python3/dist-packages/gnuradio/semcom/part/__pycache__"
    compiled.mkdir()
    (compiled / "code.cpython-311.pyc").write_text("")
    cmake("--build", tmp_path / "build", "--target", "uninstall")
    assert {path.relative_to(prefix) for path in prefix.rglob("*")} == {
        Path(path)
        for path in ("lib", "lib/python3", "lib/python3/dist-packages", "share", "share/gnuradio", "share/gnuradio/grc",
                     "share/gnuradio/grc/another.yml")
    }  # fmt: skip
