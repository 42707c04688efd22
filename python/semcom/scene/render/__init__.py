# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a picture or as lines of text, for the receiver and for people."""
