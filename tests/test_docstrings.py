# SPDX-License-Identifier: GPL-3.0-or-later
"""What numpydoc's own checks pass over: attributes have types, and errors stand on lines of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "python" / "semcom"
FILES = sorted(PACKAGE.rglob("*.py"))
TYPED = ("Parameters", "Attributes")
UNTYPED = ("Raises", "Yields", "Returns")
NAMED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def wrong(doc: str) -> Iterator[str]:
    """The entries of a docstring that are not ``name : type``, or an error or type, above a description."""
    lines, section = doc.split("\n"), ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch("-{3,}", below):
            section = line
        elif line and not line[0].isspace() and not re.fullmatch("-{3,}", line):
            mistakes = (
                section in TYPED and " : " not in line,
                section in ("Raises", "Yields") and " : " in line,
                section in (*TYPED, *UNTYPED) and not below.startswith("    "),
                not section and re.match(r"\w+(, \w+)* : ", line),
            )
            if any(mistakes):
                yield line


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_entries_have_a_type_and_a_description(file):
    docs = [ast.get_docstring(node) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, NAMED)]
    assert [line for doc in docs if doc for line in wrong(doc)] == []


@pytest.mark.parametrize(
    "doc",
    [
        "Of.\n\nrate : k/n, or None.",
        "Of.\n\nAttributes\n----------\nrate\n    k/n.",
        "Of.\n\nAttributes\n----------\nrate : float\nname : str\n    Its name.",
        "Of.\n\nRaises\n------\nBadInput : a rate that cannot be.",
        "Of.\n\nReturns\n-------\nint",
    ],
)
def test_what_is_no_entry_is_found(doc):
    assert len(list(wrong(doc))) == 1
