# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the neural coders. Needs torch, never GNU Radio."""
