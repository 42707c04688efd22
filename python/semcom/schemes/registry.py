# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of schemes: those of this project, those of entry points, and those that a script registers."""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib.metadata import entry_points

from .. import plain
from ..errors import BadInput
from .base import AUTO, Scheme
from .deepjscc import DeepJSCC
from .digital import Digital
from .esisc import EsIsc
from .own import OWN_CODES, OwnCoder, of_file, trained
from .pair import PREFIX, OnnxPair
from .samsc import SAMSC
from .segsc import SegSC
from .semcom import Semcom
from .softcast import SoftCast
from .witt import WITT

ENTRY_POINTS = "semcom.schemes"
MAX_NAME = 100  # characters, of a scheme
USUAL_SCHEME = Semcom.name  # where none is chosen

_OURS = (SoftCast, SAMSC, DeepJSCC, WITT, SegSC, Semcom, Digital, EsIsc)
_registered: dict[str, Scheme] = {ours.name: ours() for ours in _OURS}


def register(scheme: type[Scheme] | Scheme) -> type[Scheme] | Scheme:
    """Make a scheme known by its name and code; can be used as a decorator of its class.

    Registering a scheme again under its name and code replaces it.

    Parameters
    ----------
    scheme : Scheme or subclass
        A class is called without arguments.

    Returns
    -------
    Scheme or subclass
        What was given.

    Raises
    ------
    BadInput
        A name or code that is not free, or a code outside 128 to 253.
    """
    made = scheme() if isinstance(scheme, type) else scheme
    if not isinstance(made, Scheme):
        raise BadInput(f"{type(made).__name__} is not a scheme; derive it from semcom.schemes.Scheme")
    name, code = made.name, made.code
    if not isinstance(name, str) or not isinstance(code, int) or len(name) > MAX_NAME:
        raise BadInput(
            f"{type(made).__name__} has no name of at most {MAX_NAME} characters, or no whole number as code"
        )
    if not name or name == AUTO or name.startswith(PREFIX) or name in {s.name for s in _OURS}:
        raise BadInput(f"a scheme cannot be called {name!r}; choose a name of its own")
    if code not in OWN_CODES:
        raise BadInput(
            f"scheme {name} has code {code}; choose one from {OWN_CODES.start} to {OWN_CODES.stop - 1} for your own"
        )
    for other in _registered.values():
        if other.code == code and other.name != name:
            raise BadInput(f"scheme {name} has code {code}, which is that of {other.name}; choose another")
    _registered[name] = made
    return scheme


@lru_cache(maxsize=1)
def _load_entry_points() -> None:
    """Register what installed packages offer; one that does not load is said and left out."""
    for point in entry_points(group=ENTRY_POINTS):
        try:
            register(point.load())
        # whatever somebody else's package raises, the other schemes are of use
        except (Exception, SystemExit) as error:
            why = plain.line(error, MAX_NAME)
            warnings.warn(f"the scheme {point.name} of {point.value} does not load: {why}", stacklevel=2)


def schemes() -> dict[str, Scheme]:
    """All schemes that are known, by name, those of this project first."""
    _load_entry_points()
    return dict(_registered)


def names() -> tuple[str, ...]:
    """The names of all schemes that are known."""
    return tuple(schemes())


def get(name: str | Scheme) -> Scheme:
    """The scheme of a name, of two ONNX files, ``onnx:ENC.onnx,DEC.onnx``, or of a class, ``FILE.py:CLASS``.

    A name may be that of a class of networks whose weights are here.

    Raises
    ------
    BadInput
        There is no such scheme.
    """
    if isinstance(name, Scheme):
        return name
    if not isinstance(name, str):
        raise BadInput(f"a scheme is named by text, not by {name!r}")
    if name.startswith(PREFIX):
        return OnnxPair(name)
    known = schemes()
    if name in known:
        return known[name]
    written = of_file(name)
    if written is not None:
        return register(written) if written.name not in known and not isinstance(written, OwnCoder) else written
    mine = trained()
    if name in mine:
        return mine[name]
    choice = f"choose {', '.join([*known, *mine])}, onnx:ENCODER,DECODER or FILE.py:CLASS"
    raise BadInput(f"there is no scheme {name!r}; {choice}")


def load_decoder(name: str | Scheme, variant: str = AUTO) -> dict[str, str]:
    """Load what a receiver needs that is set to a scheme; with "auto" nothing, since it does not know yet.

    Returns
    -------
    dict of str to str
        File name to sha256 of each file of weights.
    """
    return {} if name == AUTO else get(name).load_decoder(variant)


def of_code(code: int) -> Scheme | None:
    """The scheme that a burst header names; None for one that is not known here, as every pair of ONNX files."""
    known = next((scheme for scheme in schemes().values() if scheme.code == code), None)
    if known is None and code in OWN_CODES:
        return next((scheme for scheme in trained().values() if scheme.code == code), None)
    return known


def remedy(code: int) -> str:
    """What a receiver can do about bursts of a scheme that it does not know."""
    if code == OnnxPair.code:
        return "set the receiver to onnx:ENCODER.onnx,DECODER.onnx with the transmitter's two files"
    return "register that scheme at the receiver, or install the package that brings it"


def name_of(code: int) -> str:
    """What a person calls the scheme that a burst header names."""
    scheme = of_code(code)
    if scheme is not None:
        return scheme.name
    if code == OnnxPair.code:
        return PREFIX.rstrip(":")
    return f"number {code}"
