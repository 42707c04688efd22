# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as bytes: range coder, label maps, colours, captions, the container and its unequal protection."""
