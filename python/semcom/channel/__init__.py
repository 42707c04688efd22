# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbol-level channel, NumPy in and out."""
