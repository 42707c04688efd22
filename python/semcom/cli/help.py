# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sub-command is and takes: one page, which the terminal shows and the manual is made of."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.core

from .. import plain

EXIT_STATUS = (
    ("0", "what was asked for is done: a picture was delivered, a file written, nothing is missing"),
    ("1", "nothing was delivered, sent or measured, or a part of the flowgraph died"),
    ("2", "an argument or a file that cannot be used, said in one sentence before anything runs"),
    ("3", "something must be installed or fetched first; semcom doctor names it"),
    ("130", "interrupted by Ctrl-C; loopback and sweep also by SIGTERM; tx and rx end with 0 if a picture was done"),
    ("143", "train: ended by SIGTERM; what it has learned is saved, and the same command goes on"),
)
ENVIRONMENT = (
    ("SEMCOM_MODELS", "folder of weights that is looked at first; those that semcom train exports can lie there"),
    ("XDG_CACHE_HOME", "where fetched weights are kept, in semcom/models; ~/.cache by default"),
)
SCHEMES_PANEL = "Options of the schemes"
MAX_WIDTH = 100  # of the help in characters; longer lines are hard to read
BESIDE = 24  # longest term whose text stands beside it, where there is room for that
MIN_TEXT = 44  # characters of a text beside its term
_VALUES = {Path: "PATH", str: "TEXT", int: "N", float: "NUMBER"}


@dataclass(frozen=True)
class Page:
    """The help of one command.

    Attributes
    ----------
    name : str
        The command with those above it, such as "semcom scene encode".
    usage : str
        How it is called.
    about : tuple of str
        Paragraphs; the first is one sentence.
    sections : tuple of (str, tuple of (str, str))
        Title, and what stands under it: a term with its text.
    """

    name: str
    usage: str
    about: tuple[str, ...]
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def page_of(command: Any, name: str) -> Page:
    """The page of a command.

    Parameters
    ----------
    command : click.Command
        As typer makes it.
    name : str
        The command with those above it.

    Returns
    -------
    Page
        With all that the command takes, in the order of its function's parameters.
    """
    hints = typing.get_type_hints(command.callback) if command.callback else {}
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], SCHEMES_PANEL: [], "Commands": []}
    for parameter in (each for each in command.params if not getattr(each, "hidden", False)):
        if parameter.param_type_name == "argument":
            sections["Arguments"].append((_argument(parameter), parameter.help or ""))
        else:
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
            sections[panel].append((_option(parameter, hints), _text(parameter)))
    sections["Options"].append(("--help", "show this page"))
    usage = [name, "[OPTIONS]", *(_argument(each) for each in command.params if each.param_type_name == "argument")]
    if isinstance(command, typer.core.TyperGroup):
        usage.append("COMMAND ...")
        sections["Commands"] = [(key, _paragraphs(each)[0]) for key, each in command.commands.items()]
    kept = tuple((title, tuple(lines)) for title, lines in sections.items() if lines)
    if " " not in name:
        kept += (("Exit status", EXIT_STATUS), ("Environment", ENVIRONMENT))
    return Page(name, " ".join(usage), tuple(_paragraphs(command)), kept)


def pages(command: Any, name: str) -> Iterator[Page]:
    """The page of a command, then those of all commands below it."""
    yield page_of(command, name)
    for key, each in getattr(command, "commands", {}).items():
        yield from pages(each, f"{name} {key}")


def written(page: Page, width: int) -> list[str]:
    """The lines of a page for a terminal.

    Parameters
    ----------
    page : Page
        Of a command.
    width : int
        Characters of a line at most.

    Returns
    -------
    list of str
        Without ends of lines.
    """
    lines = _folded(f"Usage: {page.usage}", width, "", "    ")
    for paragraph in page.about:
        lines += ["", *_folded(paragraph, width)]
    for title, listed in page.sections:
        lines += ["", f"{title}:", *entries(listed, width)]
    return lines


def entries(listed: Sequence[tuple[str, str]], width: int) -> list[str]:
    """The lines of terms with their texts, no longer than ``width`` characters."""
    room = max((len(term) for term, _ in listed if len(term) <= BESIDE), default=0) + 4
    return [line for term, text in listed for line in _entry(term, text, width, room)]


def _entry(term: str, text: str, width: int, room: int) -> list[str]:
    """A term and its text, beside one another where there is room, else one below the other."""
    if len(term) + 4 <= room and (width - room >= MIN_TEXT or len(text) <= width - room or room <= 16):
        wrapped = _folded(text, width - room) or [""]
        return [f"  {term:<{room - 2}}{wrapped[0]}".rstrip(), *(" " * room + line for line in wrapped[1:])]
    return [f"  {term}", *_folded(text, width, " " * 6, " " * 6)]


def _folded(text: str, width: int, first: str = "", further: str = "") -> list[str]:
    """A text in lines, whose words stay whole where they can: names of options have hyphens."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)


def _paragraphs(command: Any) -> list[str]:
    """What the docstring of a command says, each paragraph one line."""
    text = inspect.cleandoc(command.help or "")
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _kind(hint: Any) -> Any:
    """The type of one value, of a type with metadata, of None beside it, or of several values."""
    while typing.get_origin(hint) is not None:
        hint = next(each for each in typing.get_args(hint) if each is not types.NoneType)
    return hint


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    several = "..." if parameter.nargs != 1 else ""
    return f"{name}{several}" if parameter.required else f"[{name}{several}]"


def _option(parameter: Any, hints: dict[str, Any]) -> str:
    names = ", ".join(sorted(parameter.opts, key=lambda each: each.startswith("--")))
    if parameter.is_flag:
        return "/".join([names, *parameter.secondary_opts])
    return f"{names} {parameter.metavar or _VALUES.get(_kind(hints.get(parameter.name, str)), 'TEXT')}"


def _text(parameter: Any) -> str:
    """What an option is for, and its default."""
    text = " ".join((parameter.help or "").split())
    if parameter.required:
        return f"{text} (required)"
    default = parameter.default
    if parameter.is_flag or default is None or default == "" or not parameter.show_default:
        return f"{text} (default: on)" if parameter.is_flag and default else text
    return f"{text} (default: {f'{default:g}' if isinstance(default, float) else default})"


class _Helps:
    """Shows its page in place of what typer would make."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page, as wide as the terminal."""
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        formatter.write("\n".join(written(page_of(self, ctx.command_path), width)) + "\n")


class Command(_Helps, typer.core.TyperCommand):
    """A command."""


class Group(_Helps, typer.core.TyperGroup):
    """A command with commands below it, which alone shows its page and counts as a bad argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Take the arguments."""
        if not args and not ctx.resilient_parsing:
            plain.write(sys.stderr, ctx.get_help().split("\n"))
            raise typer.Exit(2)
        return super().parse_args(ctx, args)


def commands(made: typer.Typer, named: Sequence[tuple[str, Any]]) -> typer.Typer:
    """Give a typer its commands, each a name and a function or a typer; the same typer."""
    for name, each in named:
        if isinstance(each, typer.Typer):
            made.add_typer(each, name=name)
        else:
            made.command(name, cls=Command)(each)
    return made
