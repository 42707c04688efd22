# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx; what is made from the code is written by ``pages.py`` before anything is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402
from gnuradio.semcom import __version__  # noqa: E402
from sphinx.errors import ExtensionError  # noqa: E402

project = "gr-semcom"
author = "the founders of gr-semcom"
copyright = "2026, GPL-3.0-or-later"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "breathe"]
exclude_patterns = ["_build", "generated/doxygen"]
html_theme = "furo"
html_title = f"gr-semcom {release}"
html_static_path = ["images"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
# what is named in types is described where it stands, not everywhere
nitpicky = False
autodoc_member_order = "bysource"
# a block's parameters stand at its constructor: GNU Radio Companion shows what stands at its class
autoclass_content = "both"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
breathe_projects = {"semcom": str(HERE / "generated" / "doxygen" / "xml")}
breathe_default_project = "semcom"


def setup(app) -> None:
    """Write the pages that are made from the code."""
    app.connect("builder-inited", lambda app: make(HERE / "generated"))


def make(folder: Path) -> None:
    """What is made from the code, into a folder."""
    if shutil.which("doxygen") is None:
        raise ExtensionError("the C++ reference is made by Doxygen, which is not here; install doxygen")
    (folder / "doxygen").mkdir(parents=True, exist_ok=True)
    read = subprocess.run(["doxygen", "Doxyfile"], cwd=HERE, capture_output=True, text=True, check=False)
    if read.returncode:
        raise ExtensionError(f"Doxygen could not read the headers: {read.stderr.strip()}")
    pages.write(folder)
