# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom schemes``: what the registry knows."""

from __future__ import annotations

import shutil
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any

import typer

from .. import schemes
from ..schemes import Scheme
from ..schemes.base import ratio
from ..schemes.options import choices_of, type_of
from .common import put, put_json
from .completion import among, scheme_names
from .help import MAX_WIDTH, entries
from .options import JsonOption

NO_LIMIT = 1e-3  # a rate below which no image is sent


def list_schemes(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="schemes, to be shown with their options; all if left out", autocompletion=among(scheme_names)
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """The schemes that are known here, their rates, weights and options."""
    chosen = [schemes.get(name) for name in names] if names else list(schemes.schemes().values())
    if as_json:
        put_json({"schemes": [as_record(each) for each in chosen]})
        return 0
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    if not names:
        lines = [(each.name, about(each)) for each in chosen]
        put(*entries(lines, width), "", f"{schemes.USUAL_SCHEME} is sent where none is named")
        put("semcom schemes NAME lists the options of one")
        return 0
    for each in chosen:
        put(*entries([(each.name, about(each))], width))
        put(*entries([(f"--{item.name.replace('_', '-')}", said(each, item)) for item in fields(each.Options)], width))
    return 0


def about(scheme: Scheme) -> str:
    """Title, rates, weights and source in a line."""
    low, high = scheme.rates or (0.0, 0.0)
    limits = f"up to {ratio(high)}" if low < NO_LIMIT else " to ".join(dict.fromkeys(map(ratio, (low, high))))
    variants = ", ".join(filter(None, scheme.variants()))
    known = [
        f"k/n {limits}" if scheme.rates else "k/n by the content",
        *([f"weights: {variants}"] if variants else []),
        *([scheme.reference] if scheme.reference else []),
    ]
    return "; ".join([scheme.title, *known])


def said(scheme: Scheme, item: Field) -> str:
    """What an option is for, what it can be, and its default."""
    choices = ", ".join(filter(None, choices_of(item)))
    default = "" if item.default in (MISSING, "", None) else f" (default: {item.default})"
    return f"{item.metadata.get('help', '')}{f': {choices}' if choices else ''}{default}"


def as_record(scheme: Scheme) -> dict[str, Any]:
    """A scheme for a program."""
    return {
        "name": scheme.name,
        "title": scheme.title,
        "reference": scheme.reference,
        "carries": sorted(scheme.carries),
        "rates": list(scheme.rates) if scheme.rates else None,
        "max_pixels": scheme.max_pixels,
        "takes_importance": scheme.takes_importance,
        "trainable": scheme.trains_with is not None,
        "variants": [name for name in scheme.variants() if name],
        "options": {
            item.name: {
                "type": type_of(scheme.Options, item).__name__,
                "default": None if item.default is MISSING else item.default,
                "choices": list(choices_of(item)) or None,
                "low": item.metadata.get("low"),
                "high": item.metadata.get("high"),
                "help": item.metadata.get("help", ""),
            }
            for item in fields(scheme.Options)
        },
    }
