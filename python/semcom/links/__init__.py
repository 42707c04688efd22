# SPDX-License-Identifier: GPL-3.0-or-later
"""Hierarchical blocks: whole transmitters, channels, receivers, and whole links."""
