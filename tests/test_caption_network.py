# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions by the network that ships: beam search, fallback, and how near they are to what people say."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from gnuradio.semcom.errors import BadInput
from gnuradio.semcom.image import io
from gnuradio.semcom.scene import EncoderSettings, SemanticEncoder, decode_scene, encode_scene
from gnuradio.semcom.scene.caption import beam, network
from gnuradio.semcom.scene.caption.captioners import captioner
from gnuradio.semcom.scene.caption.composed import describe
from gnuradio.semcom.scene.caption.scores import bleu4, cider, rouge_l, words
from gnuradio.semcom.scene.coding import captioncode
from gnuradio.semcom.segment import VOC
from gnuradio.semcom.segment.instances import SceneObject

IMAGES = sorted((Path(__file__).parents[1] / "examples" / "images").glob("*.png"))
WORDS, LENGTH = 5, 4  # of the tiny decoder: a boundary, an unknown word and three others


def tiny(begun):
    """Log-probabilities that depend on all words before: any number does, if it is always the same."""
    rows = []
    for row in begun:
        drawn = np.random.default_rng([7, *row]).normal(size=WORDS)
        rows.append(drawn - np.log(np.exp(drawn).sum()))
    return np.array(rows, np.float32)


def every_sentence():
    """All that can be said in so many words, with its log-probability."""
    for length in range(LENGTH):
        for said in itertools.product(range(beam.FIRST_WORD, WORDS), repeat=length):
            if any(a == b for a, b in itertools.pairwise(said)):
                continue
            row = [beam.BOUNDARY, *said, beam.BOUNDARY]
            total = sum(tiny([row[: i + 1]])[0][row[i + 1]] for i in range(len(row) - 1))
            yield beam.Sentence(said, float(total))


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(power):
    everything = sorted(every_sentence(), key=lambda found: -found.merit(power))
    found = beam.search(tiny, 1000, LENGTH, power)
    assert [f.words for f in found] == [e.words for e in everything]
    assert [f.log_probability for f in found] == pytest.approx([e.log_probability for e in everything], abs=1e-5)
    assert found[0].of_each_word == pytest.approx(found[0].log_probability / (len(found[0].words) + 1))


def test_a_narrow_beam_is_greedy_and_always_says_something():
    (greedy,) = beam.search(tiny, 1, LENGTH, 0.0)
    row = [beam.BOUNDARY]
    while len(row) <= LENGTH:
        following = tiny([row])[0]
        following[[beam.UNKNOWN] + ([row[-1]] if row[-1] >= beam.FIRST_WORD else [])] = -np.inf
        row.append(int(following.argmax()))
        if row[-1] == beam.BOUNDARY:
            break
    assert list(greedy.words) == [word for word in row if word != beam.BOUNDARY]

    def endless(begun):
        return np.tile(np.array([-np.inf, 0, -1, -2, -3], np.float32), (len(begun), 1))

    assert beam.search(endless, 2, 5, 1.0)[0].words == (2, 3, 2, 3, 2)
    with pytest.raises(BadInput, match="1 or more beams"):
        beam.search(tiny, 0, 5, 1.0)


def object_of(name, area):
    return SceneObject(VOC.index(name), (0, 0, 10, 10), area)


def said_of(text, confidence=0.99):
    return network.Said(text, -1.0, confidence)


def test_a_caption_that_names_none_of_the_large_objects_is_not_believed():
    dog, person = object_of("dog", 30), object_of("person", 3)
    assert not network.believed(said_of("A man walks."), [dog, person], 100)
    assert network.believed(said_of("Two puppies run."), [dog, person], 100)
    assert network.believed(said_of("A mountain."), [person], 100)  # it is small
    assert not network.believed(said_of("A mountain."), [person] * 2, 100)  # together they are not
    assert network.believed(said_of("A crowd of children."), [object_of("person", 60)], 100)
    assert network.believed(said_of("A mountain."), [], 100)


def test_a_caption_must_be_sure_of_what_a_seg_does_not_see():
    table, sure, unsure = [object_of("diningtable", 90)], network.SURE_ALONE, network.SURE_ALONE - 0.01
    for text in ("A dog at a table.", "Two women at a table.", "A kid and a table.", "A van beside a table."):
        assert network.believed(said_of(text, sure), table, 100)
        assert not network.believed(said_of(text, unsure), table, 100)
    assert not network.believed(said_of("A man sits on a couch.", unsure), [], 100)
    # a small object is there, and furniture is not asked for: A-seg misses it
    assert network.believed(said_of("A dog at a table.", unsure), [*table, object_of("dog", 1)], 100)
    assert network.believed(said_of("A table beside a couch.", unsure), table, 100)
    assert network.believed(said_of("A table.", network.SURE), table, 100)
    assert not network.believed(said_of("A table.", network.SURE - 0.01), table, 100)


def test_the_best_sentence_that_is_believed_is_said_and_else_the_composed_one(monkeypatch):
    writer = captioner("network", 1)
    image, labels = np.full((20, 20, 3), 200, np.uint8), np.zeros((20, 20), np.uint8)
    labels[:, :10] = VOC.index("dog")
    found = [object_of("dog", 200)]
    doubted, other, man = network.SURE_ALONE - 0.01, said_of("A dog runs.", network.SURE), said_of("A man runs.")
    for hypotheses, wanted in (
        ([said_of("A dog sits."), other], "A dog sits."),
        ([man, other], other.text),
        ([said_of("A man and a dog.", doubted), other], other.text),
        ([man, said_of("A dog runs.", network.SURE - 0.01)], describe(image, labels, found)),
    ):
        monkeypatch.setattr(writer, "hypotheses", lambda image, hypotheses=hypotheses: hypotheses)
        assert writer.caption(image, labels, found) == wanted


def test_captions_of_photographs_are_the_same_each_time_and_short_to_send():
    first, second = (captioner("network", threads) for threads in (1, 2))
    for file in IMAGES:
        image = io.load(file)
        hypotheses, others = first.hypotheses(image), second.hypotheses(image)
        assert len({each.text for each in hypotheses}) == len(hypotheses) == network.BEAMS
        said, again = hypotheses[0], others[0]
        assert said.text == again.text and said.confidence == pytest.approx(again.confidence, abs=1e-3)
        assert said.text[0].isupper() and said.text.endswith(".") and 3 <= len(said.text.split()) <= network.MAX_WORDS
        assert 0 < said.confidence < 1
        code = captioncode.encode(said.text)
        assert captioncode.decode(code) == said.text and len(code) <= 40
    with pytest.raises(BadInput, match="RGB image"):
        first.hypotheses(image[..., 0])


def test_the_scene_encoder_writes_its_caption_by_the_network():
    image = io.load(IMAGES[0])
    settings = EncoderSettings(boundaries=False, sub_images=0)
    assert settings.captioner == "network"
    encoder = SemanticEncoder(settings)
    assert {"captioner_image.onnx", "captioner_decoder.onnx"} <= encoder.weights.keys()
    scene = encoder.encode(image)
    assert decode_scene(encode_scene(scene)).scene.caption == scene.caption
    plain = SemanticEncoder(EncoderSettings(boundaries=False, sub_images=0, captioner="composed"))
    assert "captioner_image.onnx" not in plain.weights and plain.encode(image).caption


def test_metrics_of_a_case_computed_by_hand():
    said = [words("a dog runs"), words("a cat sits")]
    references = [[words("A dog runs."), words("the dog sleeps")], [words("the cat sits")]]
    # unigrams 5 of 6, pairs 3 of 4; no four words in a row
    assert bleu4(said, references) == 0.0
    long = [words("a dog runs fast today")]
    # 4/5, 3/4, 2/3, 1/2; the reference is a word longer
    assert bleu4(long, [[words("a dog runs fast and far")]]) == pytest.approx(
        math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    )
    # "the" is in both pictures' references and weighs nothing; every other n-gram weighs log 2.
    # First picture: the first reference is the sentence itself (1, 1, 1; no four words), the second shares "dog" of
    # {a, dog, runs} and {dog, sleeps}. Second: {a: not seen, so log 2, cat, sits} and {cat, sits}; pairs 1 of 2 each.
    first = [(1 + 1 / math.sqrt(3 * 2)) / 2, (1 + 0) / 2, (1 + 0) / 2, 0]
    second = [2 / math.sqrt(3 * 2), 1 / 2, 0, 0]
    assert cider(said, references) == pytest.approx(10 * (np.mean(first) + np.mean(second)) / 2)
    # as long as the reference: precision and recall of the best are 1; then 2 of 3 words each
    assert rouge_l(said, references) == pytest.approx((1 + 2 / 3) / 2)
