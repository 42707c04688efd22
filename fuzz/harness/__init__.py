# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes the Python side: hostile bursts, pictures, streams, recordings, scenes, files and words for their takers."""
