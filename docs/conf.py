# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx; what is made from the code is written by ``pages.py`` before anything is read."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402
from gnuradio.semcom import __version__  # noqa: E402

project = "gr-semcom"
author = "the founders of gr-semcom"
copyright = "2026, GPL-3.0-or-later"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build"]
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


def setup(app) -> None:
    """Write the pages that are made from the code."""
    app.connect("builder-inited", lambda app: pages.write(HERE / "generated"))
