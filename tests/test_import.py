# SPDX-License-Identifier: GPL-3.0-or-later
"""What importing the module costs and what it must not pull in."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_import_pulls_in_no_neural_runtime():
    code = "import sys; from gnuradio import semcom; print([m for m in ('torch', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]" and done.stderr == ""


def test_every_block_is_there_and_documented():
    from gnuradio import semcom

    for name in semcom.__all__:
        assert getattr(semcom, name).__doc__ or name == "__version__"
    with pytest.raises(AttributeError, match="no attribute 'flux_capacitor'"):
        _ = semcom.flux_capacitor
