# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that both ends of a link hold: bursts are sealed with it, and ZeroMQ is encrypted."""

from __future__ import annotations

import hashlib
import re
import secrets

from . import files
from .errors import BadInput

BYTES = 32
_FORM = re.compile(rb"semcom-key-1 ([0-9a-f]{64})\s*")
_MAX_FILE = 1024


class Key:
    """A secret of 32 bytes, of which other secrets are derived, one for each use.

    Parameters
    ----------
    secret : bytes
        32 of them.
    """

    def __init__(self, secret: bytes):
        self._secret = secret

    def derived(self, use: str) -> bytes:
        """The secret for one use, of 32 bytes: BLAKE2b with the use as its personalisation (RFC 7693).

        Parameters
        ----------
        use : str
            At most 16 characters.
        """
        return hashlib.blake2b(key=self._secret, digest_size=BYTES, person=use.encode()).digest()


def read(path: files.Name) -> Key:
    """The key of a key file.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Of a file that :func:`make` wrote.

    Raises
    ------
    BadInput
        It is none, or cannot be read.
    """
    found = _FORM.fullmatch(files.read(path, _MAX_FILE, "a key file"))
    if found is None:
        raise BadInput(f"{files.named(path)} is no key file; make one by semcom key FILE, and copy it to the other end")
    return Key(bytes.fromhex(found[1].decode()))


def given(path: str) -> Key | None:
    """The key of a key file as a setting names it; None for an empty name.

    Parameters
    ----------
    path : str
        As of :func:`read`, or empty.

    Raises
    ------
    BadInput
        As :func:`read`.
    """
    return read(path) if path else None


def make(path: files.Name) -> None:
    """Write a new key file, which only its owner may read.

    Parameters
    ----------
    path : str or os.PathLike[str]
        Of a file that is not there.

    Raises
    ------
    BadInput
        It is there, or cannot be written.
    """
    files.create_secret(path, f"semcom-key-1 {secrets.token_hex(BYTES)}\n".encode())
