# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM on photographs: the masks are the objects that a person would say were meant."""

from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.image.io import load, save_png
from gnuradio.semcom.segment import Box, ClassName, Embedding, Everything, MaskFile, Point, Sam
from gnuradio.semcom.segment.backends import base
from gnuradio.semcom.segment.sam import MAX_PROMPTS, _questions
from gnuradio.semcom.zoo import weights

IMAGES = Path(__file__).parents[1] / "examples" / "images"
NOWHERE = Embedding(np.zeros((1, 256, 64, 64), np.float32), 30, 40)


class Unasked:
    """A back-end that nobody may use."""

    weights = {}  # noqa: RUF012


@pytest.fixture(scope="module")
def sam():
    if dict(weights.verify())["sam_encoder"] == "missing" or dict(weights.verify())["sam_decoder"] == "missing":
        pytest.skip("the SAM weights are not here; run `semcom models fetch`")
    return Sam()


@pytest.fixture(scope="module")
def portrait(sam):
    return sam.embed(load(IMAGES / "skimage_astronaut.png"))


def rectangle(mask, x0, y0, x1, y1):
    """The share of the mask within a rectangle, and the share of the rectangle within the mask."""
    inside = mask[y0:y1, x0:x1]
    return inside.sum() / mask.sum(), inside.mean()


def test_a_point_on_the_face_means_the_face(sam, portrait):
    found = sam.segment(portrait, [Point(220, 150)])
    assert found.mask.shape == (512, 512) and found.mask.dtype == bool
    assert 0.9 < found.score <= 1
    within, filled = rectangle(found.mask, 175, 75, 275, 205)
    assert within > 0.97 and filled > 0.6
    assert 0.02 < found.mask.mean() < 0.05


def test_two_points_mean_the_whole_person(sam, portrait):
    person = sam.segment(portrait, [Point(220, 150), Point(220, 400)]).mask
    face = sam.segment(portrait, [Point(220, 150)]).mask
    assert 0.35 < person.mean() < 0.5
    assert (person & face).sum() > 0.98 * face.sum()
    assert not person[60, 480] and not person[420, 400]


def test_a_negative_point_takes_away(sam, portrait):
    suit = sam.segment(portrait, [Point(220, 400), Point(220, 150, 0)]).mask
    person = sam.segment(portrait, [Point(220, 400), Point(220, 150)]).mask
    assert suit[400, 220] and not suit[150, 220]
    assert person[150, 220]


def test_a_box_means_what_fills_it(sam):
    image = load(IMAGES / "sklearn_flower.jpg")
    embedding = sam.embed(image)
    box = sam.segment(embedding, [Box(170, 70, 460, 370)])
    point = sam.segment(embedding, [Point(250, 250)])
    union = (box.mask | point.mask).sum()
    assert (box.mask & point.mask).sum() / union > 0.97
    assert 0.19 < box.mask.mean() < 0.24
    assert box.mask.shape == image.shape[:2]


def test_union_of_boxes_points_and_mask_files(sam, portrait, tmp_path):
    corner = np.zeros((512, 512), bool)
    corner[500:, 500:] = True
    save_png(tmp_path / "corner.png", corner)
    boxes = [Box(170, 70, 280, 210), Box(370, 10, 450, 320)]
    parts = [sam.segment(portrait, [box]) for box in boxes]
    joined = sam.segment(portrait, [*boxes, MaskFile(str(tmp_path / "corner.png"))])
    np.testing.assert_array_equal(joined.mask, parts[0].mask | parts[1].mask | corner)
    assert joined.score == min(part.score for part in parts)
    only = sam.segment(portrait, [MaskFile(str(tmp_path / "corner.png"))])
    np.testing.assert_array_equal(only.mask, corner)
    assert only.score == 1


def test_same_image_same_mask(sam, portrait):
    again = sam.embed(load(IMAGES / "skimage_astronaut.png"))
    np.testing.assert_array_equal(again.features, portrait.features)
    first, second = (sam.segment(e, [Point(220, 150)]) for e in (portrait, again))
    np.testing.assert_array_equal(first.mask, second.mask)
    assert first.score == second.score


def test_a_class_is_its_map_redrawn(sam, portrait):
    # the person as a coarse segmenter may draw it: the right place, the wrong outline
    whole = sam.segment(portrait, [Point(220, 150), Point(220, 400)]).mask
    coarse = np.kron(whole[8::16, 8::16], np.ones((16, 16), bool))
    labels = np.where(coarse, np.uint8(15), np.uint8(0))
    labels[470:480, 470:480] = 12  # too small to ask for
    found = sam.segment(portrait, [ClassName("person")], labels).mask

    def alike(a, b):
        return (a & b).sum() / (a | b).sum()

    assert alike(found, whole) > 0.97 > alike(coarse, whole)
    np.testing.assert_array_equal(sam.segment(portrait, [ClassName("dog")], labels).mask, labels == 12)
    assert not sam.segment(portrait, [ClassName("cat")], labels).mask.any()
    with pytest.raises(BadInput, match="class map"):
        sam.segment(portrait, [ClassName("dog")], labels[1:])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2500), (2500, 1), (5, 7)])
def test_tiny_and_thin_images(sam, height, width):
    image = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    embedding = sam.embed(image)
    for prompt in (Point(width - 1, height - 1), Box(0, 0, width, height)):
        assert sam.segment(embedding, [prompt]).mask.shape == (height, width)


def test_large_image_gives_the_same_outline(sam):
    small = load(IMAGES / "sklearn_flower.jpg")
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    at_small = sam.segment(sam.embed(small), [Point(250, 250)]).mask
    at_large = sam.segment(sam.embed(large), [Point(1000, 1000)]).mask
    assert at_large.shape == large.shape[:2]
    sampled = at_large[2::4, 2::4]
    assert (sampled & at_small).sum() / (sampled | at_small).sum() > 0.97


def test_frame_follows_the_published_preprocessing():
    image = np.zeros((100, 200, 3), np.uint8)
    image[:] = (255, 0, 128)
    frame = base.frame(image)
    assert frame.shape == (1, 3, 1024, 1024) and frame.dtype == np.float32
    expected = [(255 - 123.675) / 58.395, (0 - 116.28) / 57.12, (128 - 103.53) / 57.375]
    np.testing.assert_allclose(frame[0, :, 511, 1023], expected, rtol=1e-6)
    assert not frame[0, :, 512:].any()


def test_what_is_asked_together():
    near, far, box, other = Point(1, 1), Point(2, 2, 0), Box(0, 0, 5, 5), Box(1, 1, 9, 9)
    assert _questions([near, far]) == [([near, far], None)]
    assert _questions([near, box, far]) == [([near, far], box)]
    assert _questions([far, box]) == [([far], box)]
    assert _questions([near, box, far, other]) == [([near, far], None), ([far], box), ([far], other)]
    assert _questions([MaskFile("m.png")]) == []


@pytest.mark.parametrize(
    ("prompts", "sentence"),
    [
        ([], "there is no prompt; give a point, a box, a mask file, a class or everything"),
        ([ClassName("dog")], "a class prompt needs the image's class map"),
        ([Everything(), ClassName("unicorn")], "there is no class 'unicorn'; choose from background, aeroplane"),
        ([Point(40, 1)], "'point:40,1,1' lies outside the image, which is 40 wide and 30 high"),
        ([Point(1, 1)] * (MAX_PROMPTS + 1), "1001 prompts are too many for one image; give at most 1000"),
        ([Point(1, 1, 0)], "negative points need something to take away from"),
    ],
)
def test_prompts_it_cannot_follow(prompts, sentence):
    with pytest.raises(BadInput) as caught:
        Sam(Unasked()).segment(NOWHERE, prompts)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_that_are_no_image(image):
    with pytest.raises(BadInput, match=r"SAM takes an RGB image uint8 \[H, W, 3\], not"):
        Sam(Unasked()).embed(image)


def test_absent_weights_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "folders", lambda: [tmp_path])
    with pytest.raises(Missing, match=r"sam_encoder\.onnx \(sam_encoder\) is not here; run `semcom models fetch`$"):
        Sam()
