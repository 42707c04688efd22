#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the words of captions for the caption code.

    python tools/caption_words.py --captions Flickr8k.token.txt.gz --out models

Keeps words that came at least ``--least`` times, and pairs that came at least twice. Captions of photographs that the
captioner's training holds out for measuring are left out. Lines of the input are ``NAME.jpg#NUMBER TAB TEXT``; several
files may be given, and count alike.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from semcom.scene.coding import captioncode as code
from semcom.train.captioner import read_captions, split
from semcom.train.files import write_card

SCALE = 2**16  # the single words' weights sum to about so much


def sentences(path: Path) -> list[str]:
    """The texts of one file that are not for measuring."""
    found = read_captions(path)
    measuring, _ = split(list(found))
    return [text for name, texts in found.items() if name not in measuring for text in texts]


def main() -> None:
    """Parse the arguments, count, write table and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", required=True, type=Path, nargs="+")
    parser.add_argument("--least", type=int, default=3)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    texts = [text for path in arguments.captions for text in sentences(path)]
    rows = []
    for text in texts:
        words = code.words_of(text)
        rows.append(words[:-1] if words and words[-1] == "." else words)
    often = Counter(word for row in rows for word in row if word.isascii())
    words = sorted(word for word, count in often.items() if count >= arguments.least)
    numbers = {word: i + code.FIRST_WORD for i, word in enumerate(words)}
    single, pairs, letters = Counter(), Counter(), np.zeros((len(code.ALPHABET) + 1,) * 2)
    for row in rows:
        before = code.END
        for word in row:
            number = numbers.get(word, code.SPELLED)
            single[number] += 1
            pairs[before, number] += 1
            before = number
        single[code.END] += 1
        pairs[before, code.END] += 1
    for word in often:
        before = 0
        for letter in word:
            number = code.ALPHABET.index(letter) + 1
            letters[before, number] += 1
            before = number
        letters[before, 0] += 1
    total = sum(single.values())
    singles = np.array([max(1, round(SCALE * single[i] / total)) for i in range(len(words) + code.FIRST_WORD)])
    kept = sorted((a, b, count) for (a, b), count in pairs.items() if count >= 2)
    firsts = np.array([a for a, _, _ in kept])
    starts = np.searchsorted(firsts, np.arange(len(singles) + 1))
    # every letter may follow every other: some weight for what was never seen
    spelled = np.round(letters / letters.sum(axis=1, keepdims=True).clip(1) * 250) + 1
    counts = np.array([min(count, 65535) for _, _, count in kept])
    path = arguments.out / "caption_words.npz"
    np.savez_compressed(
        path,
        words=np.frombuffer("\n".join(words).encode("ascii"), np.uint8),
        singles=singles.astype(np.uint32),
        starts=starts.astype(np.uint32),
        followers=np.array([b for _, b, _ in kept], np.uint16),
        counts=counts.astype(np.uint16),
        letters=spelled.astype(np.uint8),
    )
    about = {
        "licence": "GPL-3.0-or-later",
        "description": "words of captions and their pairs, for the caption code of the scene format",
        "recipe": {
            "command": "python tools/caption_words.py --captions " + " ".join(p.name for p in arguments.captions),
            "captions": len(texts),
            "words": len(words),
            "pairs": len(kept),
        },
    }
    write_card(path, path.stem, about)
    print(f"{len(words)} words, {len(kept)} pairs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
