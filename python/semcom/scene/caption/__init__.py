# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions: composed from the class map, by networks, and which of their words speak of which objects."""
