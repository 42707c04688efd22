# SPDX-License-Identifier: GPL-3.0-or-later
"""Task metrics: on class maps and masks that are known, in a sweep, in a loopback and as a block."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gnuradio import gr, semcom
from gnuradio.semcom.blocks import pdu, task_quality
from gnuradio.semcom.cli import main
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image.quality import TASKS
from gnuradio.semcom.segment import Segmentation, TaskAssessor
from gnuradio.semcom.segment.tasks import Target, iou, majority

DOG, CAT = 12, 8


class Shown:
    """Sees the class that the red channel says, 0 to 20."""

    classes, weights = (), {}

    def segment(self, image):
        return image[..., 0].copy()


class Squares:
    """Finds by a box what is green within it."""

    weights = {}  # noqa: RUF012

    def embed(self, image):
        return image

    def segment(self, image, prompts):
        (box,) = prompts
        mask = np.zeros(image.shape[:2], bool)
        within = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        mask[within] = image[..., 1][within] > 0
        return Segmentation(mask, 0.9)


def picture(*squares):
    """uint8 [100, 100, 3]: a square for each (label, y, x, side)."""
    image = np.zeros((100, 100, 3), np.uint8)
    for label, y, x, side in squares:
        image[y : y + side, x : x + side] = label, 200, 0
    return image


@pytest.fixture
def assess():
    return TaskAssessor(sam=Squares(), classes=Shown())


def test_objects_of_the_original_are_the_regions(assess):
    targets = assess.targets(picture((DOG, 10, 10, 30), (CAT, 60, 60, 20), (CAT, 0, 90, 4)))
    assert [(target.label, target.box) for target in targets] == [(DOG, (10, 10, 40, 40)), (CAT, (60, 60, 80, 80))]
    assert [int(target.mask.sum()) for target in targets] == [900, 400]  # 16 pixels are too few


def test_a_mask_is_the_region_and_its_class_what_most_of_it_shows(assess):
    mask = np.zeros((100, 100), bool)
    mask[5:45, 5:45] = True
    (target,) = assess.targets(picture((DOG, 10, 10, 30), (CAT, 40, 40, 5)), mask)
    assert target.label == DOG and target.box == (5, 5, 45, 45)
    assert assess.targets(picture(), np.zeros((100, 100), bool)) == []
    (plain,) = assess.targets(picture(), mask)
    assert plain.label == 0


@pytest.mark.parametrize(
    "received, figures",
    [
        (picture((DOG, 10, 10, 30), (CAT, 60, 60, 20)), (1.0, 1.0, 1.0)),
        (picture((CAT, 10, 10, 30), (CAT, 60, 60, 20)), (0.5, 1.0, 0.5)),  # the dog is taken for a cat
        (picture((DOG, 10, 10, 30)), (0.5, 0.5, 0.5)),  # the cat is gone
        (picture((DOG, 10, 10, 30), (CAT, 60, 60, 10)), (1.0, (1 + 0.25) / 2, 0.5)),  # a quarter of it is left
        (picture((DOG, 10, 10, 30), (CAT, 60, 60, 15)), (1.0, (1 + 0.5625) / 2, 1.0)),
        (picture(), (0.0, 0.0, 0.0)),
    ],
)
def test_tasks_count_what_they_say(assess, received, figures):
    targets = assess.targets(picture((DOG, 10, 10, 30), (CAT, 60, 60, 20)))
    assert assess(received, targets) == pytest.approx(dict(zip(TASKS, figures, strict=True)))


def test_what_does_not_apply_is_none(assess):
    assert assess(picture(), []) == dict.fromkeys(TASKS)
    mask = np.ones((100, 100), bool)
    assert assess(picture(), [Target(mask, 0)]) == {"recognition": None, "resegmentation": 0.0, "detection": None}
    assert TaskAssessor(["detection"], classes=Shown())(picture(), []) == {"detection": None}


def test_small_functions():
    labels = np.array([[0, 255, 3], [3, 5, 0]], np.uint8)
    assert majority(labels, np.ones((2, 3), bool)) == 3
    assert majority(labels, np.array([[1, 1, 0], [0, 0, 1]], bool)) == 0
    empty = np.zeros((2, 2), bool)
    assert iou(empty, empty) == 1.0 and iou(empty, ~empty) == 0.0


@pytest.mark.parametrize("tasks", [[], ["taste"], ["recognition", "taste"]])
def test_tasks_that_there_are_not_get_a_sentence(tasks):
    with pytest.raises(BadInput, match="choose recognition, resegmentation, detection"):
        TaskAssessor(tasks)


@pytest.mark.parametrize("roi", [False, True])
def test_the_block_adds_figures_and_lets_failures_pass(roi, monkeypatch):
    made = TaskAssessor(sam=Squares(), classes=Shown())
    monkeypatch.setattr(task_quality, "TaskAssessor", lambda tasks: made)
    block, published = semcom.task_quality(TASKS, roi), []
    block.publish = lambda port, msg: published.append((port, msg))
    original, received = picture((DOG, 10, 10, 30), (CAT, 60, 60, 20)), picture((DOG, 10, 10, 30))
    mask = np.zeros((100, 100), np.uint8)
    mask[10:40, 10:40] = 255
    for port, pixels in (("mask", mask), ("received", received), ("reference", original)):
        block._take(port, pdu.from_image(pixels, {"image_id": 4, "psnr_db": 20.0}))
    figures = {port: msg for port, msg in published}
    meta = pdu.meta_of(figures["image"])
    assert meta["recognition"] == (1.0 if roi else 0.5) and meta["psnr_db"] == 20.0
    assert pdu.dictionary(figures["metrics"])["resegmentation"] == (1.0 if roi else 0.5)
    published.clear()
    for port in ("received", "reference"):
        block._take(port, pdu.failure({"image_id": 5}, "lost"))
    ((port, msg),) = published
    assert port == "image" and pdu.meta_of(msg)["error"] == "lost"


def test_a_sweep_measures_tasks(astronaut, tmp_path):
    out = tmp_path / "tasks.json"
    metrics = "psnr,recognition,detection"
    command = ["sweep", "--scheme", "softcast", "--images", str(astronaut), "--snr=-5,20", "--metrics", metrics]
    assert main([*command, "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    low, high = record["points"]
    assert high["recognition"] == 1.0 and high["detection"] == 1.0 and "resegmentation" not in high
    assert 0 <= low["recognition"] <= 1
    assert f"--metrics {metrics}" in record["command"]


def test_a_loopback_measures_tasks_of_the_region(astronaut, tmp_path, capsys):
    options = ["--prompt", "point:220,150", "--metrics", "recognition,resegmentation", "--json"]
    assert main(["loopback", str(astronaut), "--out", str(tmp_path), "--snr", "20", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["recognition"] == 1.0 and said["resegmentation"] > 0.8 and said["psnr_db"] is None
    assert {"aseg.onnx", "sam_encoder.onnx"} <= said["weights"].keys() and said["seconds"]["tasks"] > 0


def test_a_flowgraph_with_the_block_runs_to_its_end(astronaut):
    tb = gr.top_block()
    source, sink = semcom.image_source(str(astronaut), 2, 1), semcom.image_sink("")
    quality = semcom.task_quality(["recognition"])
    tb.msg_connect(source, "image", quality, "reference")
    tb.msg_connect(source, "image", quality, "received")
    tb.msg_connect(quality, "image", sink, "in")
    tb.msg_connect(sink, "ack", source, "ack")
    tb.run()
    assert [result["recognition"] for result in sink.results] == [1.0, 1.0]
