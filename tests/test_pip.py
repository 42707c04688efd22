# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain as ``pip install`` leaves it, on a machine without GNU Radio."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

# GNU Radio is not here, whatever this machine has; the package that pip made is
ALONE = """
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "pmt":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "gnuradio":
            return PathFinder.find_spec(name, sys.path[:1])

sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv.pop(1))
"""
SENDS = """
import gnuradio.semcom
from gnuradio.semcom import sample_image, schemes
from gnuradio.semcom.channel.symbol import SymbolChannel
from gnuradio.semcom.digital.kernels import conv_code
from gnuradio.semcom.errors import Missing
from gnuradio.semcom.image import io, metrics
from gnuradio.semcom.sweep.tasks import received_image

photo = io.load(sample_image("skimage_chelsea.png"))[:192, :192]
for name in ("semcom", "digital"):
    scheme = schemes.get(name)
    sent = scheme.encode(photo, schemes.Conditions(snr_db=10), scheme.Options(), None)
    headers, symbols = zip(*schemes.bursts(sent, scheme))
    received = received_image(scheme, headers, SymbolChannel("awgn", 10).apply_all(symbols))
    assert metrics.psnr(photo, received.decoded.image) > 30, name
for error, use in ((Missing, lambda: conv_code(8, 28, 2)), (ImportError, lambda: gnuradio.semcom.transmitter)):
    try:
        use()
    except error as reason:
        print(reason)
"""
COMMAND = """
from gnuradio.semcom.cli import main
sys.exit(main(sys.argv[1:]))
"""


def cmake(source: Path, build: Path, prefix: Path, *settings: str, **variables: str) -> str:
    """Configure, as scikit-build-core does."""
    folders = [f"-DSKBUILD_PLATLIB_DIR={prefix / 'lib/python'}", f"-DSKBUILD_DATA_DIR={prefix}"]
    command = ["cmake", "-S", source, "-B", build, f"-DPython_EXECUTABLE={sys.executable}", *folders, *settings]
    env = os.environ | variables
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True, timeout=120)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of packages of an environment that has this one from pip."""
    prefix = tmp_path_factory.mktemp("prefix")
    build = tmp_path_factory.mktemp("build")
    cmake(ROOT / "python", build, prefix, "-DCMAKE_BUILD_TYPE=Debug", CXXFLAGS="-O0")
    for job in ("--build", "--install"):
        subprocess.run(["cmake", job, build], check=True, capture_output=True, timeout=120)
    site = prefix / "lib/python"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]
    for package, source in settings["packages"].items():
        left_out = shutil.ignore_patterns("bindings", "CMakeLists.txt", "__pycache__")
        shutil.copytree(ROOT / source, site / package, ignore=left_out, dirs_exist_ok=True)
    name = re.escape(f"{site}/gnuradio/semcom/")
    assert re.search(name + "semcom_kernels_alone", (build / "install_manifest.txt").read_text())
    # pip's record of what it has installed
    record = site / "gr_semcom-0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: gr-semcom\nVersion: 0\n")
    (record / "direct_url.json").write_text('{"url": "file:///home/me/gr-semcom"}')
    (record / "RECORD").write_text("gnuradio/semcom/cli/doctor.py,,\ngr_semcom-0.dist-info/direct_url.json,,\n")
    return site


def alone(site: Path, code: str, *arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-c", ALONE + code, site, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=site)


def test_a_picture_is_sent_and_received(site):
    done = alone(site, SENDS)
    assert (done.returncode, done.stderr) == (0, "")
    convolutional, block = done.stdout.splitlines()
    assert convolutional.startswith("convolutional codes need GNU Radio")
    assert block.startswith("transmitter needs GNU Radio")


def test_the_command_sweeps_and_says_what_needs_gnuradio(site, tmp_path, astronaut):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(astronaut, pictures)
    swept = alone(site, COMMAND, "sweep", "--scheme", "softcast", "--images", pictures, "--snr", "10", "--metrics",
                  "psnr", "--workers", "0", "--out", tmp_path / "figures.json")  # fmt: skip
    assert swept.returncode == 0 and (tmp_path / "figures.json").exists(), swept.stderr
    for arguments in (["loopback", astronaut], ["tx", astronaut, "--via", "sigmf:air"], ["rx", "--via", "sigmf:air"]):
        done = alone(site, COMMAND, *arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("semcom: this needs GNU Radio") and done.stderr.count("\n") == 1


def test_doctor_does_not_miss_gnuradio(site):
    done = alone(site, COMMAND, "doctor")
    lines = done.stdout.splitlines()
    assert any(line.startswith("GNU Radio") and "not used" in line for line in lines)
    assert any(line.startswith("C++ kernels") and "semcom_kernels_alone" in line for line in lines)
    assert not any(line.startswith("grcc") for line in lines)
    assert "apt-get install -y gnuradio\n" not in done.stdout


def test_what_has_no_kernels_says_so(site, tmp_path):
    bare = tmp_path / "lib/python"
    shutil.copytree(site, bare)
    for compiled in (bare / "gnuradio/semcom").glob("*.so"):
        compiled.unlink()
    done = alone(bare, "from gnuradio.semcom.digital.kernels import kernels; kernels()")
    assert "gr-semcom are not built here; run ./bootstrap build, or pip install ." in done.stderr
    doctor = alone(bare, COMMAND, "doctor")
    assert doctor.returncode == 3 and "missing: they need a C++ compiler" in doctor.stdout
    assert "-m pip install --force-reinstall --no-deps file:///home/me/gr-semcom\n" in doctor.stdout


def test_kernels_are_left_out_where_no_compiler_is(tmp_path):
    said = cmake(ROOT / "python", tmp_path / "build", tmp_path, CXX="/no/such/compiler")
    assert "the kernels are left out" in said
