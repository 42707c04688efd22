# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that is paid for by what was received: a few bytes can describe more than anybody has time for."""

from __future__ import annotations

from .errors import BadInput


class Work:
    """Steps that may be taken for some bytes, however they share them out.

    Parameters
    ----------
    free : int
        Steps that cost nothing.
    per_byte : int
        Steps that each byte pays for.
    """

    def __init__(self, free: int, per_byte: int) -> None:
        self._free, self._per_byte = free, per_byte
        self._bytes = self._spent = 0

    def received(self, size: int) -> None:
        """So many bytes in all are here by now; more steps may be taken than before, never fewer.

        Parameters
        ----------
        size : int
            Bytes.
        """
        self._bytes = max(self._bytes, size)

    def spend(self, steps: int = 1) -> None:
        """Before steps are taken.

        Parameters
        ----------
        steps : int
            How many.

        Raises
        ------
        BadInput
            They are more than the bytes pay for.
        """
        self._spent += steps
        if self._spent > self._free + self._per_byte * self._bytes:
            raise BadInput(f"it takes more work than the {self._bytes:,} bytes that were received are worth")
