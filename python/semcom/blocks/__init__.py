# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks: thin adapters between PDUs and the domain packages."""
