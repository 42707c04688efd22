# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts in their text form, and whether they fit an image."""

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.io import save_png
from gnuradio.semcom.segment import (
    Box,
    ClassName,
    Everything,
    MaskFile,
    Point,
    cut_out,
    join_prompts,
    overlay,
    parse_prompt,
    split_prompts,
    validate,
)
from PIL import Image


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("point:220,150", Point(220, 150)),
        ("point:220,150,1", Point(220, 150, 1)),
        ("point:220.5,150,0", Point(220.5, 150, 0)),
        (" box: 1, 2 ,3,4.5 ", Box(1, 2, 3, 4.5)),
        ("mask:a,b:c.png", MaskFile("a,b:c.png")),
        ("class:traffic light", ClassName("traffic light")),
        ("everything", Everything()),
    ],
)
def test_parse(text, prompt):
    assert parse_prompt(text) == prompt
    assert parse_prompt(str(prompt)) == prompt


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "prompt '' is not understood; write point:X,Y"),
        ("dot:1,2", "prompt 'dot:1,2' is not understood"),
        ("Point", "is not understood"),
        ("everything:all", "is not understood"),
        ("point:", "has a part that is not a number; write point:X,Y or point:X,Y,0|1"),
        ("point:1", "has 1 numbers; write point:X,Y"),
        ("point:1,2,0,4", "has 4 numbers"),
        ("point:1,b", "has a part that is not a number"),
        ("point:nan,1", "has a number that is not finite"),
        ("point:1,inf", "has a number that is not finite"),
        ("point:1,2,2", "has the label 2; write 1 for inside or 0 for outside"),
        ("point:1,2,0.5", "has the label 0.5"),
        ("box:1,2,3", "has 3 numbers; write box:X0,Y0,X1,Y1"),
        ("box:5,1,5,9", "has no area; write the upper left corner first"),
        ("box:1,9,5,2", "has no area"),
        ("box:1,nan,5,2", "not finite"),
        ("mask:", "names no file; write mask:FILE"),
        ("class: ", "names no class; write class:NAME"),
    ],
)
def test_parse_errors(text, sentence):
    with pytest.raises(BadInput) as caught:
        parse_prompt(text)
    assert sentence in str(caught.value)
    assert repr(text) in str(caught.value)
    assert caught.value.exit_status == 2


def test_prompts_at_the_edges_fit():
    validate([Point(0, 0), Point(639.9, 479.9, 0), Box(0, 0, 640, 480), ClassName("dog"), Everything()], 480, 640)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (Point(640, 10), "'point:640,10,1' lies outside the image, which is 640 wide and 480 high"),
        (Point(-1, 10), "lies outside the image"),
        (Point(10, 480), "lies outside the image"),
        (Point(float("nan"), 0), "lies outside the image"),
        (Point(1, 1, 7), "has the label 7"),
        (Box(0, 0, 641, 9), "'box:0,0,641,9' reaches outside the image, which is 640 wide and 480 high"),
        (Box(-1, 0, 5, 9), "reaches outside the image"),
        (Box(0, 0, float("nan"), 9), "reaches outside the image"),
        (Box(7, 0, 5, 9), "has no area"),
    ],
)
def test_prompts_that_do_not_fit(prompt, sentence):
    with pytest.raises(BadInput) as caught:
        validate([Point(1, 1), prompt], 480, 640)
    assert sentence in str(caught.value)


def test_mask_files(tmp_path):
    path = tmp_path / "mask.png"
    mask = np.zeros((20, 30), bool)
    mask[5:9, 2:20] = True
    save_png(path, mask)
    validate([MaskFile(str(path))], 20, 30)
    with pytest.raises(BadInput, match="is 30 wide and 20 high, but the image is 20 wide and 30 high"):
        validate([MaskFile(str(path))], 30, 20)
    save_png(path, np.zeros((20, 30), bool))
    with pytest.raises(BadInput, match="is black all over; mark the object in white"):
        validate([MaskFile(str(path))], 20, 30)
    with pytest.raises(BadInput, match="does not exist"):
        validate([MaskFile(str(tmp_path / "none.png"))], 20, 30)


def test_overlay_tints_inside_and_draws_the_outline():
    image = np.full((40, 50, 3), 100, np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[10:30, 10:30] = True
    drawn = overlay(image, mask, colour=(200, 0, 100), alpha=0.5)
    assert (drawn[~mask] == 100).all()
    assert drawn[20, 20].tolist() == [150, 50, 100]
    assert drawn[10, 15].tolist() == [200, 0, 100]
    assert (image == 100).all()
    whole = overlay(image, np.ones((40, 50), bool), colour=(200, 0, 100), alpha=0.5)
    assert (whole == [150, 50, 100]).all()


def test_cut_out_blacks_out_the_rest():
    image = np.full((4, 5, 3), 100, np.uint8)
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    assert cut_out(image, mask).sum() == 300
    assert cut_out(image, mask).dtype == np.uint8
    with pytest.raises(BadInput, match="is not the image's"):
        cut_out(image, mask[:3])


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("point:1,2; box:1,2,3,4 ;everything", ["point:1,2", "box:1,2,3,4", "everything"]),
        ("everything", ["everything"]),
        (" ; class:dog;;", ["class:dog"]),
        ("mask:my masks; v2,final/m:1.png", ["mask:my masks; v2,final/m:1.png"]),
        ("mask:a;b.png;class:dog", ["mask:a;b.png", "class:dog"]),
        (r"mask:a\;class:b", ["mask:a;class:b"]),
    ],
)
def test_semicolons_separate_prompts_and_may_be_part_of_a_name(text, prompts):
    assert split_prompts(text) == prompts
    assert split_prompts(join_prompts(prompts)) == prompts


def test_a_mask_in_the_home_folder_and_with_odd_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "my masks; v2,final~m:1.png"
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(tmp_path / name)
    validate([parse_prompt(f"mask:~/{name}")], 4, 6)
