# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures: from files and back, and how like two of them are."""
