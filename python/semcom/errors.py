# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors a user can cause or mend. Their text is one sentence: what is wrong and what to do."""


class SemcomError(Exception):
    """Base class; ``exit_status`` is what the command line returns for it."""

    exit_status = 1


class BadInput(SemcomError, ValueError):
    """An argument, file or PDU that cannot be used as it is (exit status 2)."""

    exit_status = 2


class Undecodable(BadInput):
    """What came over the channel holds no picture; nobody's mistake but the channel's."""

    exit_status = 1


class Missing(SemcomError):
    """Something that must be installed or fetched first (exit status 3)."""

    exit_status = 3
