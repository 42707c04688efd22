# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' weights: where they are and what they must hash to, and the sessions that run them."""
