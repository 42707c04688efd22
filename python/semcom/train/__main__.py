# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom.train SCHEME ...``: what ``semcom train`` does, where only this package is at hand.

It is what ``accelerate launch -m semcom.train SCHEME ...`` starts on every GPU.
"""

import sys

from ..cli import main

sys.exit(main(["train", *sys.argv[1:]], program="semcom"))
