# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a scheme: a frozen dataclass whose fields say what a person needs to know to set them.

The options of the command and the parameters of the GRC blocks are made from them, so that nothing is said twice.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from .. import values as checks
from ..errors import BadInput


def option(
    default: Any,
    help: str,
    *,
    label: str = "",
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] | None = None,
    words: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
    advanced: bool = False,
    live: bool = False,
    several: bool = False,
) -> Any:
    """A field of an options dataclass.

    Parameters
    ----------
    default : str, int, float or bool
        Its type is that of the option.
    help : str
        A clause that stands alone.
    label : str
        What GNU Radio Companion calls it; made of the field's name by default.
    unit : str
        Of a number.
    low, high : float, optional
        Limits of a number.
    choices : tuple of str or callable, optional
        What a text may be; a callable is asked when it is needed.
    words : mapping of str to str or callable, optional
        What GNU Radio Companion calls the values of a text in its list. Without choices it offers these, and any other
        can be typed.
    advanced : bool
        Whether GNU Radio Companion shows it on the block only when it is not the default.
    live : bool
        Whether a running transmitter can change it.
    several : bool
        Whether a sweep takes several values, separated by commas.
    """
    about = {
        "help": help, "label": label, "unit": unit, "low": low, "high": high, "choices": choices,
        "words": words, "advanced": advanced, "live": live, "several": several,
    }  # fmt: skip
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Options:
    """Base of the options of all schemes: checks every field against what its metadata say.

    Raises
    ------
    BadInput
        A value of another type, beyond the limits, or not one of the choices; ``field`` names it.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, checked(item, getattr(self, item.name), type_of(type(self), item)))


def type_of(options: type, item: Field) -> type:
    """The type of a field: str, int, float or bool."""
    hint = typing.get_type_hints(options)[item.name]
    if isinstance(hint, types.UnionType):
        hint = next(each for each in hint.__args__ if each is not types.NoneType)
    return hint


def choices_of(item: Field) -> tuple[str, ...]:
    """What the field may be; empty where it is not a choice."""
    choices = item.metadata.get("choices")
    return tuple(choices()) if callable(choices) else choices or ()


def words_of(item: Field) -> dict[str, str]:
    """What the values of the field are called in a list; of its choices each, and otherwise those to be offered."""
    words = item.metadata.get("words")
    words = dict(words()) if callable(words) else dict(words or {})
    choices = choices_of(item)
    return {choice: words.get(choice, choice) for choice in choices} if choices else words


def checked(item: Field, value: Any, kind: type) -> Any:
    """The value in the type of its field; BadInput where it cannot be."""
    name = item.name
    if kind is bool:
        if not isinstance(value, bool):
            raise BadInput(f"must be true or false, got {value!r}", field=name)
        return value
    if kind is str and not isinstance(value, int | float):  # the text of a number, such as an MCS, is plain
        checks.text(value, name)
    try:
        value = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"must be of type {kind.__name__}, got {checks.shown(value)}", field=name) from None
    low, high = item.metadata.get("low"), item.metadata.get("high")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        span = f"from {low:g} to {high:g}" if None not in (low, high) else f"{low:g} or more" if high is None else ""
        raise BadInput(f"must be {span or f'at most {high:g}'}, got {checks.shown(value)}", field=name)
    known = choices_of(item)
    if known and value not in known:
        raise BadInput(f"must be one of {', '.join(filter(None, known))}, got {value}", field=name)
    return value


def made(options: type[Options], values: Mapping[str, Any] | Options | None, scheme: str) -> Any:
    """Options of a scheme from a mapping of names to values.

    Raises
    ------
    BadInput
        A name that the scheme does not have, or a value that it cannot be.
    """
    if isinstance(values, options):
        return values
    if isinstance(values, Options):
        raise BadInput(f"{type(values).__name__} are not the options of scheme {scheme}")
    values = dict(values or {})
    known = [item.name for item in fields(options)]
    for name in values:
        if name not in known:
            have = f"its options are {', '.join(known)}" if known else "it has none"
            raise BadInput(f"is not an option of scheme {scheme}; {have}", field=name)
    return options(**values)


def defaults(options: type[Options]) -> dict[str, Any]:
    """The default of each field."""
    return {item.name: None if item.default is MISSING else item.default for item in fields(options)}
