# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the papers that the project follows, measured anew, and what becomes of their claims."""
