# SPDX-License-Identifier: GPL-3.0-or-later
"""Flowgraphs as GNU Radio Companion draws them, for the tools that measure and photograph them; needs a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gi
from gnuradio import gr

gi.require_version("Gtk", "3.0")
gi.require_version("PangoCairo", "1.0")

# first: the modules below import one another in a circle
import gnuradio.grc.gui.canvas  # noqa: E402, F401
from gnuradio.grc.gui.Application import Application  # noqa: E402
from gnuradio.grc.gui.Platform import Platform  # noqa: E402

_programs: list[Application] = []  # of which only a flowgraph knows otherwise


def platform() -> Platform:
    """The program's library of blocks, and a window of it."""
    made = Platform(
        version=gr.version(),
        version_parts=(gr.major_version(), gr.api_version(), gr.minor_version()),
        prefs=gr.prefs(),
        install_prefix=gr.prefix(),
    )
    made.build_library()
    # a flowgraph asks the program for its window
    program = Application([], made)
    program.register()
    program.activate()
    _programs.append(program)
    return made


def drawn(known: Platform, path: Path) -> Any:
    """A flowgraph with the sizes of all its blocks.

    Parameters
    ----------
    known : Platform
        Of :func:`platform`.
    path : Path
        Of the flowgraph.

    Returns
    -------
    FlowGraph
        Of GNU Radio Companion.
    """
    graph = known.make_flow_graph()
    data = known.parse_flow_graph(str(path))
    for block in data["blocks"]:
        value = str(block["parameters"].get("value", ""))
        # where the photographs of this machine lie is nobody's business
        if value.startswith("semcom.sample_image("):
            block["parameters"]["value"] = value.removeprefix("semcom.sample_image(").removesuffix(")")
    graph.import_data(data)
    graph.update()
    graph.create_labels()
    graph.create_shapes()
    return graph
