# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom.cli``: the command, where only this package is at hand.

It is what ``accelerate launch -m semcom.cli train SCHEME ...`` starts on every GPU.
"""

from __future__ import annotations

import sys

from . import main

# processes that train together import this file again
if __name__ == "__main__":
    sys.exit(main(program="semcom"))
