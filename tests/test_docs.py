# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages build without a warning, their links lead somewhere, and flowgraphs look as they should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from boxes import Box, layout, problems

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.slow
def test_pages_are_made_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pages = tmp_path / "docs"
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("_build", "generated"))
    for name in ("grc", "examples", "include", *(path.name for path in ROOT.glob("*.md"))):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "results").symlink_to(ROOT / "results")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", pages, tmp_path / "html"],
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "html" / "index.html").read_text()
    assert "generated/blocks.html" in front and "which_scheme.html" in front
    blocks = (tmp_path / "html" / "generated" / "blocks.html").read_text()
    assert all(name in blocks for name in ("Transmitter", "Soft Demapper", "NR LDPC Decoder Definition"))


WRITTEN = [
    page
    for page in (*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *(ROOT / "examples").glob("**/*.md"))
    if not {"generated", "_build"} & set(page.parts)
]


@pytest.mark.parametrize("page", sorted(WRITTEN), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        # pages that are made from the code are there when the pages are built
        if "://" not in target and "generated/" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.gui
@pytest.mark.slow
def test_no_block_of_an_example_hides_another():
    if shutil.which("xvfb-run") is None:
        pytest.skip("needs Xvfb")
    check = [sys.executable, ROOT / "tools" / "grc_layout.py", "--check"]
    # a settings folder of its own: GNU Radio Companion remembers files in it
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["xvfb-run", "-a", *check], capture_output=True, text=True, timeout=200, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_overlaps_is_found():
    apart = [Box("a", (10, 10), (0, 0), (50, 50), True), Box("b", (100, 10), (30, 0), (90, 50), True)]
    assert problems(apart) == []
    apart[1].before = (45, 0)
    assert problems(apart) == ["a and b overlap"]
    assert problems([Box("c", (-1, 0), (0, 0), (5, 5), False)]) == ["c lies outside the canvas"]
    laid = layout(apart, [("a", "b", "in")])
    assert laid["a"][0] + 50 < laid["b"][0] - 45


PICTURES = {path.name for path in (DOCS / "images" / "flowgraphs").glob("*.png")}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*/*.grc")), ids=lambda path: path.stem)
def test_every_example_has_its_picture(example):
    assert f"{example.parent.name}-{example.stem}.png" in PICTURES
