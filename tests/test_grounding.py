# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a caption and the objects they speak of."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("spacy")

from gnuradio.semcom.errors import BadInput, Missing
from gnuradio.semcom.scene.caption import grounding
from gnuradio.semcom.segment import VOC, SceneObject

NAMES = ("dog", "person", "person", "diningtable", "person")
OBJECTS = [SceneObject(VOC.index(name), (0, 0, 10 - i, 10), 100 - 10 * i) for i, name in enumerate(NAMES)]


def phrases(caption):
    found = grounding.link(caption, OBJECTS)
    assert all(caption[link.start : link.end] == link.text for link in found)
    return {link.text: link.objects for link in found if link.kind == grounding.NOUN_PHRASE}


@pytest.mark.parametrize(
    ("caption", "meant"),
    [
        (
            "A large brown dog at the lower left and two people in front of a green background.",
            {"A large brown dog": (0,), "two people": (1, 2), "a green background": ()},
        ),
        (
            "A man and a woman sit at a dining table with their puppy.",
            {"A man": (1,), "a woman": (2,), "a dining table": (3,), "their puppy": (0,)},
        ),
        ("Boys run after a cat.", {"Boys": (1, 2, 4), "a cat": ()}),
        (
            "Two bicyclists and a policeman are watching a puppy in front of a crowd.",
            {"Two bicyclists": (1, 2), "a policeman": (4,), "a puppy": (0,), "a crowd": (1, 2, 4)},
        ),
        (
            "A group of children in red shirts play with a ball behind a motorcyclist.",
            {"A group": (1, 2, 4), "children": (1, 2, 4), "red shirts": (), "a motorcyclist": (1,)},
        ),
        ("A couple of people eat.", {"A couple": (1, 2), "people": (1, 2, 4)}),
        ("", {}),
    ],
)
def test_noun_phrases_speak_of_objects(caption, meant):
    found = phrases(caption)
    assert {text: found[text] for text in meant} == meant


def test_names_are_linked():
    found = grounding.link("Barack Obama walks his dog in London.", OBJECTS)
    named = {link.kind: (link.text, link.objects) for link in found if link.kind != grounding.NOUN_PHRASE}
    assert named == {"PERSON": ("Barack Obama", (1,)), "GPE": ("London", ())}
    assert [link.start for link in found] == sorted(link.start for link in found)


def test_every_class_has_its_own_words():
    table = grounding.synonyms()
    assert {table[name] for name in ("bike", "couch", "tv", "woman", "kitten")} == {2, 18, 20, 15, 8}
    assert len([word for text in grounding._MEANT.values() for word in text.split()]) + len(VOC) == len(table)


def test_what_is_missing_or_too_long_is_said(monkeypatch):
    with pytest.raises(BadInput, match="2001 characters is too long"):
        grounding.link("a" * 2001, [])
    grounding._language.cache_clear()
    monkeypatch.setattr(grounding, "MODEL", "en_not_there")
    with pytest.raises(Missing, match=r"English model en_not_there is not installed.*pip install '\.\[text\]'"):
        grounding.link("a dog", [])
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(Missing, match=r"needs spacy; install it with pip install '\.\[text\]'"):
        grounding.link("a dog", [])
