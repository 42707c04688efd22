#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the manual of the command and what shells complete it with, from what its help is made of.

    python tools/command_files.py

Needs what ``semcom --help`` needs, so it is run when the command has changed, and CMake installs what it wrote:
``apps/man`` and ``apps/completion``. ``tests/test_command.py`` holds the files to it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from typer.completion import get_completion_script
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from semcom import __version__, files  # noqa: E402  from the source tree, whatever is installed
from semcom.cli.app import app  # noqa: E402
from semcom.cli.help import EXIT_STATUS, Page, pages  # noqa: E402

NAME = "semcom"
SHELLCHECK = "# shellcheck shell=bash disable=SC2207,SC2086 # it is typer's\n"
SCRIPTS = {"bash": "semcom.bash", "zsh": "_semcom", "fish": "semcom.fish"}


def roff(text: str) -> str:
    """Text as roff shows it: hyphens are those of options, and no line is a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def manual(page: Page, others: list[str]) -> str:
    """The page of a command in roff."""
    title = page.name.replace(" ", "-")
    lines = [
        f'.TH {title.upper()} 1 "" "gr-semcom {__version__}" "gr-semcom"',
        *(".SH NAME", f"{title} \\- {roff(page.about[0].rstrip('.'))}"),
        *(".SH SYNOPSIS", f".B {page.name}", roff(page.usage.removeprefix(page.name).strip())),
        *(".SH DESCRIPTION", roff(page.about[0])),
    ]
    for paragraph in page.about[1:]:
        lines += [".PP", roff(paragraph)]
    sections = dict(page.sections)
    for section, entries in (sections | {"Exit status": sections.get("Exit status", EXIT_STATUS)}).items():
        lines.append(f".SH {section.upper()}")
        for term, text in entries:
            lines += [".TP", f".B {roff(term)}", roff(text)]
    lines += [".SH SEE ALSO", ",\n".join(f".BR {roff(other)} (1)" for other in others)]
    return "\n".join(lines) + "\n"


def scripts() -> dict[str, str]:
    """Name of a file -> what a shell completes the command with."""
    found = {}
    for shell, name in SCRIPTS.items():
        script = get_completion_script(prog_name=NAME, complete_var=f"_{NAME.upper()}_COMPLETE", shell=shell)
        found[f"completion/{name}"] = f"{script}\n"
    found[f"completion/{SCRIPTS['bash']}"] = SHELLCHECK + found[f"completion/{SCRIPTS['bash']}"]
    # zsh reads the file at the first completion, and takes it for the function that completes
    found[f"completion/{SCRIPTS['zsh']}"] += f'\n_{NAME}_completion "$@"\n'
    return found


def written() -> dict[str, str]:
    """Name of each file below ``apps`` -> its text."""
    known = list(pages(get_command(app()), NAME))
    titles = [page.name.replace(" ", "-") for page in known]
    manuals = {
        f"man/{title}.1": manual(page, [other for other in titles if other != title and _near(title, other)])
        for page, title in zip(known, titles, strict=True)
    }
    return manuals | scripts()


def _near(title: str, other: str) -> bool:
    """Whether a page names another: the one above it and those below it."""
    return other == title.rpartition("-")[0] or other.rpartition("-")[0] == title


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "apps", help="folder of man and completion")
    out = parser.parse_args().out
    for name, text in written().items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        files.replace(out / name, lambda stream, text=text: stream.write(text.encode()))


if __name__ == "__main__":
    main()
