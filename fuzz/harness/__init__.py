# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes the Python side: hostile fragments, pictures, streams, recordings and scenes for the blocks that take them."""
