# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the command that are made from the options of the schemes."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from .. import schemes
from ..errors import BadInput
from ..schemes import Scheme
from ..schemes.options import choices_of, type_of
from .completion import among, variant_names
from .help import SCHEMES_PANEL

_LINK = ("prompts",)  # options that a sub-command has under another name
VARIANT = "variant"  # the option that names weights


def _known() -> dict[str, dict[str, tuple[type, Field]]]:
    """Name of an option -> name of each scheme that has it -> its type and field."""
    found: dict[str, dict[str, tuple[type, Field]]] = {}
    for known in schemes.schemes().values():
        for item in fields(known.Options):
            if item.name not in _LINK:
                found.setdefault(item.name, {})[known.name] = type_of(known.Options, item), item
    return found


def _help(having: Mapping[str, tuple[type, Field]]) -> str:
    texts: dict[str, list[str]] = {}
    for name, (_, item) in having.items():
        texts.setdefault(item.metadata.get("help", ""), []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in texts.items()) + _more(having)


def _more(having: Mapping[str, tuple[type, Field]]) -> str:
    """What the values can be, where the text does not name them all, and the default where there is one."""
    said = " ".join(item.metadata.get("help", "") for _, item in having.values())
    known = {choice: None for _, item in having.values() for choice in choices_of(item) if choice}
    more = [", ".join(known)] if any(choice not in said for choice in known) else []
    defaults = {item.default for _, item in having.values()}
    if len(defaults) == 1 and not isinstance(default := defaults.pop(), bool) and default != "":
        more.append(f"default: {default}")
    return f" ({'; '.join(more)})" if more else ""


def _values(having: Mapping[str, tuple[type, Field]], several: bool) -> Callable[[str], list[str]] | None:
    """What completes the value of an option; None where it is no choice."""
    if VARIANT in (item.name for _, item in having.values()):
        return among(lambda: variant_names(having), several)
    known = {choice: None for _, item in having.values() for choice in choices_of(item) if choice}
    return among(known, several) if known else None


def with_scheme_options(function: Callable[..., Any], several: bool = False) -> Callable[..., Any]:
    """Give a sub-command the options of all schemes, in place of its parameter ``scheme_options``.

    Parameters
    ----------
    function : callable
        Has a keyword parameter ``scheme_options``, which gets those that were given, by name; but for those that
        are parameters of its own.
    several : bool
        Whether values are texts, which may list several; switches stay switches.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [
        p.replace(annotation=hints[p.name])
        for p in inspect.signature(function).parameters.values()
        if p.name != "scheme_options"
    ]
    known = {name: having for name, having in _known().items() if name not in hints}
    for name, having in known.items():
        kinds = {kind for kind, _ in having.values()}
        kind = kinds.pop() if len(kinds) == 1 and (not several or bool in kinds) else str
        values = _values(having, several)
        about = typer.Option(
            help=_help(having),
            metavar="NAME" if values else None,
            rich_help_panel=SCHEMES_PANEL,
            autocompletion=values,
        )
        annotation = Annotated[kind | None, about]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        given = {name: value for name in known if (value := kwargs.pop(name, None)) is not None}
        return function(*args, **kwargs, scheme_options=given)

    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__
    return command


def own(scheme: Scheme, given: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``given`` are options of a scheme."""
    names = {item.name for item in fields(scheme.Options)}
    return {name: value for name, value in given.items() if name in names}


def check_used(chosen: list[Scheme], given: Mapping[str, Any]) -> None:
    """Refuse an option that none of the chosen schemes has."""
    for name in given:
        if not any(name in own(each, given) for each in chosen):
            have = ", ".join(_known().get(name, {}))
            raise BadInput(f"is not an option of {', '.join(s.name for s in chosen)}, only of {have}", field=name)
