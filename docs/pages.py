# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that are made from the code: blocks, command, PDU keys, burst header, schemes, Python and C++ reference.

``conf.py`` calls :func:`write` at each build; what it writes is not kept in the repository.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from gnuradio import semcom
from gnuradio.semcom import schemes, semcom_python
from gnuradio.semcom.cli.app import app
from gnuradio.semcom.cli.help import Page, pages
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[1]
GRC = ROOT / "grc"
EXAMPLES = ROOT / "examples"
LEFT_OUT = ("blocks", "cli")  # of the packages: blocks have pages of their own, the command is no library
# files of the repository that are pages as well
WRITTEN = {
    "security": "SECURITY.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "upgrading": "UPGRADING.md",
    "own_coder": "examples/own_coder/README.md",
}
LAYERS = {
    "links": "whole links as hierarchical blocks",
    "schemes": "the registry, one module for each scheme",
    "burst": "what crosses the air: headers, fragments, seals, reassembly",
    "jscc": "joint source-channel coders",
    "digital": "coding and modulation of bits, and the link adapter",
    "codec": "image codecs at a number of bytes",
    "segment": "SAM, class maps, boundaries, objects",
    "scene": "semantic scenes: captions, coding, painting",
    "image": "pictures in and out, and their metrics",
    "channel": "fading and noise",
    "sweep": "figures over folders of images",
    "paper": "figures of papers anew",
    "train": "training and export",
    "zoo": "weights and their cards",
}


def write(folder: Path) -> None:
    """All of them.

    Parameters
    ----------
    folder : Path
        Where to.
    """
    folder.mkdir(exist_ok=True)
    made = {"blocks": blocks(), "command": command(), "keys": keys(), "schemes": of_schemes(), "examples": examples()}
    made |= {f"python_{name}": text for name, text in python().items()}
    made["cpp"] = cpp(folder / "doxygen" / "xml")
    made |= {name: _linked((ROOT / path).read_text()) for name, path in WRITTEN.items()}
    for name, text in made.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _linked(text: str) -> str:
    """Markdown of the repository, whose links lead to the pages of the same files."""
    for name, path in WRITTEN.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(path)}", f"]({name}.md", text)
    return text


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """Rows as a table of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines) + "\n"


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def blocks() -> str:
    """The reference of blocks, from their definitions, in the order of the tree in GNU Radio Companion."""
    ((_, groups),) = yaml.safe_load((GRC / "semcom.tree.yml").read_text()).items()
    known = {block["id"]: block for path in GRC.glob("*.block.yml") for block in [yaml.safe_load(path.read_text())]}
    used = _used()
    out = ["# Blocks", "", "From the definitions that GNU Radio Companion shows. [Examples](examples.md) use them.", ""]
    for group in groups:
        ((title, ids),) = group.items()
        out += [f"## {title}", ""]
        for name in ids:
            out += [_block(known[name], used.get(name, [])), ""]
    return "\n".join(out)


def _block(block: dict[str, Any], used: list[str]) -> str:
    about, *sections = re.split(r"^(Input|Output|Parameters):\n", block.get("documentation", ""), flags=re.MULTILINE)
    out = [f"### {block['label']}", "", f"`{block['id'].replace('semcom_', 'semcom.', 1)}`", "", about.strip(), ""]
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        out += [f"**{title}**", "", _described(text), ""]
    if used:
        out += ["In " + ", ".join(f"`{name}`" for name in used) + ".", ""]
    return "\n".join(out)


def _described(text: str) -> str:
    """Lines "NAME - TEXT" as a list."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return "\n".join(
        re.sub(r"^(.{1,60}?) - ", r"- **\1** – ", line) if " - " in line else f"- {line}" for line in lines
    )


def _used() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(EXAMPLES.glob("*/*.grc")):
        for block in {block["id"] for block in yaml.safe_load(path.read_text())["blocks"]}:
            found.setdefault(block, []).append(f"{path.parent.name}/{path.stem}")
    return found


def examples() -> str:
    """The page of the flowgraphs, with a picture of each."""
    text = (EXAMPLES / "README.md").read_text().replace("](own_coder/README.md)", "](own_coder.md)")
    out = [text, "", "## As they look", ""]
    for path in sorted((ROOT / "docs" / "images" / "flowgraphs").glob("*.png")):
        name = path.stem.replace("-", "/", 1)
        out += [f"### {name}", "", f"![flowgraph {name}](../images/flowgraphs/{path.name})", ""]
    return "\n".join(out)


def command() -> str:
    """The help of every sub-command, from what the command itself prints."""
    out = ["# The command", "", "`semcom COMMAND --help` prints the same, and so does `man semcom`.", ""]
    for page in pages(get_command(app()), "semcom"):
        out += _command(page)
    return "\n".join(out)


def _command(page: Page) -> list[str]:
    out = [f"## {page.name}", "", "```text", page.usage, "```", ""]
    for paragraph in page.about:
        out += [_plain(paragraph), ""]
    for title, entries in page.sections:
        out += [f"**{title}**", "", table(("", ""), [(f"`{term}`", _plain(text)) for term, text in entries])]
    return out


def _plain(text: str) -> str:
    """Text of the help, in which nothing is markup."""
    return re.sub(r"([*_<>\[\]`])", r"\\\1", text)


def keys() -> str:
    """Keys of the PDUs, and the fields of the burst header."""
    lines = [(f"`{name}`", *about) for name, about in semcom_python.pdu_keys().items()]
    return table(("key", "type", "meaning"), lines)


def of_schemes() -> str:
    """The registry."""
    rows = []
    for scheme in schemes.schemes().values():
        about = (scheme.__doc__ or "").splitlines()[0]
        low, high = scheme.rates or (0, 0)
        rate = (
            "by the scene" if not scheme.rates else _ratio(low) if low == high else f"{_ratio(low)} to {_ratio(high)}"
        )
        rows.append((f"`{scheme.name}`", scheme.code, about, rate, ", ".join(sorted(scheme.carries))))
    return table(("scheme", "code", "what", "k/n", "sends"), rows)


def _ratio(value: float) -> str:
    return f"1/{round(1 / value)}" if value <= 1 else f"{value:g}"


def python() -> dict[str, str]:
    """Pages of the packages, by name."""
    exported = [name for name in semcom.__all__ if name not in ("__version__", "companion", "schemes")]
    made = {}
    named = [name for name in exported if hasattr(getattr(semcom, name), "__doc__")]
    made["blocks"] = "\n".join(
        ["# gnuradio.semcom", "", "What `from gnuradio import semcom` brings. Loading it costs next to nothing; a name "
         "loads what it needs when it is first used.", "", *(_auto("autofunction" if not isinstance(
             getattr(semcom, name), type) else "autoclass", f"gnuradio.semcom.{name}") for name in named)]
    )  # fmt: skip
    for package, about in LAYERS.items():
        module = importlib.import_module(f"gnuradio.semcom.{package}")
        names = getattr(module, "__all__", None) or _public(module)
        lines = [f"# gnuradio.semcom.{package}", "", f"{about.capitalize()}.", "", *_members(module, names)]
        if not names:
            for found in pkgutil.iter_modules(module.__path__):
                inner = importlib.import_module(f"{module.__name__}.{found.name}")
                lines += [f"## {found.name}", "", *_members(inner, _public(inner))]
        made[package] = "\n".join(lines)
    return made


def cpp(read: Path) -> str:
    """The page of the C++ headers.

    Parameters
    ----------
    read : Path
        Folder of XML that Doxygen wrote.
    """
    found: dict[str, list[str]] = {}
    for compound in ElementTree.parse(read / "index.xml").iter("compound"):
        found.setdefault(compound.get("kind", ""), []).append(compound.findtext("name", ""))
    out = [
        "# C++", "", "From the headers in `include/gnuradio/semcom`. A flowgraph in C++ links them by CMake:", "",
        "```cmake", "find_package(gnuradio-semcom 0.2 REQUIRED)",
        "target_link_libraries(mine PRIVATE gnuradio::gnuradio-semcom)",
        "```", "",
    ]  # fmt: skip
    shown = (":members:", ":undoc-members:")
    for kind in ("class", "struct"):
        # what belongs to the metadata of PDUs stands with it
        for name in sorted(name for name in found[kind] if not name.startswith("gr::semcom::pdu::")):
            out += [f"## {name.removeprefix('gr::semcom::')}", "", _auto(f"doxygen{kind}", name, *shown)]
    out += ["## pdu", "", _auto("doxygennamespace", "gr::semcom::pdu", ":content-only:", *shown)]
    return "\n".join(out)


def _public(module: Any) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]


def _members(module: Any, names: list[str]) -> list[str]:
    out = []
    for name in names:
        value = getattr(module, name)
        if isinstance(value, type):
            out.append(
                _auto(
                    "autoclass",
                    f"{module.__name__}.{name}",
                    ":members:",
                    *([] if name == "Options" else [":exclude-members: Options"]),
                )
            )
        elif callable(value):
            out.append(_auto("autofunction", f"{module.__name__}.{name}"))
        elif not isinstance(value, type(json)):
            out.append(f"`{name}`\n: {_cell(repr(value))[:200].join(('`', '`')) if '`' not in repr(value) else ''}\n")
    return out


def _auto(directive: str, name: str, *options: str) -> str:
    return "\n".join(["```{eval-rst}", f".. {directive}:: {name}", *(f"   {option}" for option in options), "```", ""])
