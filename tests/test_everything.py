# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything mode: which points are asked, which masks stay, and what it finds in a photograph."""

from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.io import load
from gnuradio.semcom.segment import Candidates, Embedding, Everything, Point, Sam, everything, partition
from gnuradio.semcom.segment.everything import _Points
from gnuradio.semcom.segment.masks import enlarged
from gnuradio.semcom.zoo import weights

PORTRAIT = Path(__file__).parents[1] / "examples" / "images" / "skimage_astronaut.png"


class Drawn:
    """A decoder that answers from a list of masks, bool [256, 256]: those that the point lies in."""

    def __init__(self, masks, scores, steepness=10.0):
        self.masks, self.scores, self.steepness, self.asked = masks, scores, steepness, []

    def candidates(self, embedding, points, least):
        return [self.of(embedding, point, least) for point in points]

    def of(self, embedding, point, least):
        self.asked.append((point.x, point.y))
        row, column = int(point.y * 256 / embedding.height), int(point.x * 256 / embedding.width)
        logits = np.full((3, 256, 256), -self.steepness, np.float32)
        scores = np.zeros(3, np.float32)
        inside = [i for i, mask in enumerate(self.masks) if mask[row, column]]
        for slot, i in enumerate(inside[:3]):
            logits[slot][self.masks[i]] = self.steepness
            scores[slot] = self.scores[i]
        return Candidates(logits[scores >= least], scores[scores >= least])


def square(x0, y0, x1, y1):
    mask = np.zeros((256, 256), bool)
    mask[y0:y1, x0:x1] = True
    return mask


FRAME = Embedding(np.zeros((1, 256, 64, 64), np.float32), 512, 512)


def test_whole_and_part_are_both_found_and_doubles_are_not():
    whole, part, again = square(20, 20, 220, 220), square(60, 60, 120, 120), square(20, 20, 220, 216)
    found = everything(Drawn([whole, part, again], [0.95, 0.9, 0.85]), FRAME)
    assert [float(f.score) for f in found] == pytest.approx([0.95, 0.9])
    for one, mask in zip(found, (whole, part), strict=True):
        np.testing.assert_array_equal(one.mask[::2, ::2], mask)
        assert one.mask.shape == (512, 512) and one.mask.dtype == bool


def test_uncertain_unstable_and_small_masks_go():
    mask = square(20, 20, 220, 220)
    assert everything(Drawn([mask], [0.79]), FRAME) == []
    assert len(everything(Drawn([mask], [0.81]), FRAME)) == 1
    # inside the mask the logits do not reach the higher threshold
    assert everything(Drawn([mask], [0.9], steepness=0.5), FRAME) == []
    dot = square(136, 136, 141, 141)  # 100 pixels of the image
    assert len(everything(Drawn([dot], [0.9]), FRAME, most=256, least_area=100)) == 1
    assert everything(Drawn([dot], [0.9]), FRAME, most=256, least_area=120) == []


def test_islands_and_holes_are_removed():
    mask = square(20, 20, 220, 220)
    flawed = mask & ~square(100, 100, 103, 103) | square(240, 240, 243, 243)
    found = everything(Drawn([flawed], [0.9]), FRAME)
    np.testing.assert_array_equal(found[0].mask[::2, ::2], mask)


def test_points_go_far_apart_and_prefer_what_is_bare():
    sam = Drawn([square(0, 0, 256, 128)], [0.9])
    everything(sam, FRAME, most=24)
    assert len(set(sam.asked)) == 24
    assert sum(y > 256 for _, y in sam.asked) > 14
    points = _Points(100, 200, 4)
    assert len(points) == 8
    order = [points.next() for _ in range(8)]
    assert len(set(order)) == 8 and {p.y for p in order} == {25.0, 75.0}
    assert {p.x for p in order} == {25.0, 75.0, 125.0, 175.0}
    # the second is as far from the first as can be
    assert abs(order[1].x - order[0].x) == 100


def test_no_points_is_refused():
    for settings in ({"grid": 0}, {"most": 0}):
        with pytest.raises(BadInput, match="at least 1 point"):
            everything(Drawn([], []), FRAME, **settings)


def test_enlarged_covers_the_image_alone():
    logits = np.full((128, 256), -1.0, np.float32)
    logits[:, 128:] = 1.0
    mask = enlarged(logits, 300, 600)
    assert mask.shape == (300, 600)
    assert not mask[:, :300].any() and mask[:, 300:].all()


@pytest.fixture(scope="module")
def portrait():
    if dict(weights.verify())["sam_encoder"] == "missing" or dict(weights.verify())["sam_decoder"] == "missing":
        pytest.skip("the SAM weights are not here; run `semcom models fetch`")
    sam = Sam()
    embedding = sam.embed(load(PORTRAIT))
    return sam, embedding, everything(sam, embedding, most=40)


def test_candidates_hold_what_a_point_alone_means(portrait):
    sam, embedding, _ = portrait
    point = Point(220, 150)
    (candidates,) = sam.candidates(embedding, [point])
    best = int(np.argmax(candidates.scores))
    chosen = sam.segment(embedding, [point])
    assert candidates.logits.shape == (3, 256, 256)
    assert candidates.scores[best] == pytest.approx(chosen.score, abs=1e-4)
    assert (enlarged(candidates.logits[best], 512, 512) == chosen.mask).mean() > 0.995


def test_everything_in_a_photograph(portrait):
    sam, embedding, found = portrait
    areas = [f.mask.sum() for f in found]
    assert 12 <= len(found) <= 60 and areas == sorted(areas, reverse=True)
    # the background, the helmet and the suit each are a mask of their own
    for x, y, least, most in ((350, 60, 0.1, 0.5), (330, 460, 0.03, 0.3), (150, 350, 0.05, 0.5)):
        assert any(f.mask[y, x] and least < f.mask.mean() < most for f in found), (x, y)
    segments = partition([f.mask for f in found], 512, 512)
    assert segments.min() == 1 and 15 <= segments.max() <= 80
    union = sam.segment(embedding, [Everything()], found=found)
    np.testing.assert_array_equal(union.mask, np.any([f.mask for f in found], axis=0))
    assert union.score == min(f.score for f in found)
