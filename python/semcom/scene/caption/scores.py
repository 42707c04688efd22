# SPDX-License-Identifier: GPL-3.0-or-later
"""How near captions are to those that people wrote: BLEU-4, CIDEr-D and ROUGE-L, as coco-caption computes them.

Words are those of the caption code in lower case, without punctuation marks. Each metric takes one caption for each
picture and a list of references for each; document frequencies of CIDEr-D are those of these references.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..coding.captioncode import words_of

ORDERS = range(1, 5)
CIDER_SIGMA = 6.0  # words by which lengths may differ
ROUGE_BETA = 1.2  # recall counts more than precision

Words = list[str]


def words(caption: str) -> Words:
    """What is compared of a caption."""
    return [word for word in words_of(caption) if word.isalnum()]


def grams(sentence: Words, order: int) -> Counter:
    """How often each sequence of so many words occurs."""
    return Counter(tuple(sentence[i : i + order]) for i in range(len(sentence) - order + 1))


def bleu4(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Of the whole set (Papineni et al., ACL 2002)."""
    right, all_of, length, wanted = np.zeros(4), np.zeros(4), 0, 0
    for sentence, others in zip(said, references, strict=True):
        length += len(sentence)
        wanted += min((abs(len(other) - len(sentence)), len(other)) for other in others)[1]
        for order in ORDERS:
            counts, most = grams(sentence, order), Counter()
            for other in others:
                most |= grams(other, order)
            right[order - 1] += sum((counts & most).values())
            all_of[order - 1] += sum(counts.values())
    if not right.all():
        return 0.0
    return min(1.0, math.exp(1 - wanted / length)) * math.exp(np.log(right / all_of).mean())


def cider(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """CIDEr-D (Vedantam et al., CVPR 2015), ten times a mean cosine."""
    scores = np.zeros(len(said))
    for order in ORDERS:
        shown = Counter(gram for others in references for gram in set().union(*(grams(o, order) for o in others)))

        def weighed(sentence: Words, order: int = order, shown: Counter = shown) -> dict[tuple, float]:
            counts = grams(sentence, order)
            return {gram: n * math.log(len(said) / max(1, shown[gram])) for gram, n in counts.items()}

        for i, (sentence, others) in enumerate(zip(said, references, strict=True)):
            ours = weighed(sentence)
            for other in others:
                theirs = weighed(other)
                near = sum(min(value, theirs[gram]) * theirs[gram] for gram, value in ours.items() if gram in theirs)
                sizes = math.hypot(*ours.values()) * math.hypot(*theirs.values())
                longer = len(sentence) - len(other)
                scores[i] += (
                    (near / sizes if sizes else 0.0) * math.exp(-(longer**2) / (2 * CIDER_SIGMA**2)) / len(others)
                )
    return float(10 * scores.mean() / len(ORDERS))


def rouge_l(said: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """Longest common subsequences (Lin, ACL 2004), the best precision and recall over the references."""
    found = []
    for sentence, others in zip(said, references, strict=True):
        common = [_common(sentence, other) for other in others]
        precision = max(common) / max(1, len(sentence))
        recall = max(n / max(1, len(other)) for n, other in zip(common, others, strict=True))
        both = recall + ROUGE_BETA**2 * precision
        found.append((1 + ROUGE_BETA**2) * precision * recall / both if both else 0.0)
    return float(np.mean(found))


def _common(a: Words, b: Words) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for j, other in enumerate(b, start=1):
            before, row[j] = row[j], before + 1 if word == other else max(row[j], row[j - 1])
    return row[-1]
