# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed serves a C++ project: package file, headers, library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import ROOT

PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(consumer CXX)
find_package(gnuradio-semcom 0.2 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer PRIVATE gnuradio::gnuradio-semcom)
"""
MAIN = """
#include <gnuradio/top_block.h>
int main()
{
    auto tb = gr::make_top_block("consumer");
    auto modulator = gr::semcom::burst_modulator::make();
    auto demodulator = gr::semcom::burst_demodulator::make();
    tb->connect(modulator, 0, demodulator, 0);
    const auto symbols = pmt::make_c32vector(100, 1);
    modulator->_post(pmt::mp("symbols"), pmt::cons(pmt::make_dict(), symbols));
    modulator->_post(pmt::mp("system"), pmt::cons(pmt::mp("done"), pmt::from_long(1)));
    tb->run();
    const gr::semcom::ofdm_equalizer_mmse equalizer(64, 16);
    return demodulator->bursts() == 1 ? 0 : 1;
}
"""


def test_a_project_finds_compiles_links_and_runs(tmp_path: Path) -> None:
    headers = sorted(header.name for header in (ROOT / "include/gnuradio/semcom").glob("*.h"))
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "main.cc").write_text("".join(f"#include <gnuradio/semcom/{name}>\n" for name in headers) + MAIN)
    build = tmp_path / "build"
    for command in (
        ["cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={sys.prefix}"],
        ["cmake", "--build", build],
        [build / "consumer"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
