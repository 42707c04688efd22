#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes from pyproject.toml what this Python needs at run time, and prints the line that installs what is missing.

    python cmake/needs.py requirements.txt cpu radio sweep

The extras are those of pyproject.toml. CMake runs it; the file is installed, and ``semcom doctor`` reads it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from semcom.cli.doctor import install_line, lacking  # noqa: E402  from the source tree; nothing is installed yet

MARKER = re.compile(r"python_version (<|>=) '3\.(\d+)'")  # the only ones there are


def applies(marker: str) -> bool:
    """Whether the marker of a requirement holds for this Python."""
    if not marker:
        return True
    compared, minor = MARKER.fullmatch(marker).groups()
    return (sys.version_info.minor < int(minor)) == (compared == "<")


def main(out: Path, extras: list[str]) -> None:
    """Write the file, and print the line if anything is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(need for extra in extras for need in project["optional-dependencies"][extra])]
    split = [[part.strip() for part in need.partition(";")] for need in wanted]
    out.write_text("".join(f"{need}\n" for need, _, marker in split if applies(marker)))
    if lacking(out):
        print(f"missing: {', '.join(lacking(out))}; install them by\n  {install_line(out)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
