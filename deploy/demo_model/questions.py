"""Questions about a scene in many wordings, with their one right answer.

Needs numpy only. `ask` gives questions of balanced kinds; `EASY_VQA_FORMS` are the 24 forms of the
public data set easy-vqa.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from deploy.demo_model import wordings as w
from deploy.demo_model.scenes import COLOURS, KINDS, PLACES, Scene, Shape

UNREADABLE_ANSWER = "I can't make out a shape."
OUT_OF_DOMAIN_ANSWER = "I can only tell you about coloured shapes."
MOST_TURNS = 6  # as many as the platform tells the model
NUMBERS = ("None.", "One.", "Two.", "Three.")
PLACE_PHRASE = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
QUESTION_KINDS = ("describe", "count", "colour", "shape", "place", "presence")
ALL_KINDS = (*QUESTION_KINDS, "empty", "other")

Made = tuple[str, str, list[Shape]]  # text, answer, the shapes it is about


@dataclass(frozen=True)
class Question:
    """A question, its kind, the answer expected word for word.

    `about` names the shapes one must find to answer, by their place in the scene's tuple; empty
    if there is none, or if the question is about the whole scene.
    """

    text: str
    kind: str
    answer: str
    about: tuple[int, ...] = ()


def describe(scene: Scene) -> str:
    """Everything in the scene, from left to right."""
    parts = [f"a {s.colour} {s.kind} {PLACE_PHRASE[s.place]}" for s in scene.shapes]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{listed[0].upper()}{listed[1:]}."


def ask(scene: Scene, rng: np.random.Generator, *, count: int = 8) -> list[Question]:
    """`count` questions about the scene, the kinds in turn from a random start."""
    order = [kind for kind in KIND_ORDER if placed(scene) or kind not in ("describe", "place")]
    start = int(rng.integers(len(order)))
    asked = []
    for index in range(count):
        if rng.random() < 0.02:
            asked.append(Question(_pick(w.OUT_OF_DOMAIN, rng), "other", OUT_OF_DOMAIN_ANSWER))
            continue
        kind = order[(start + index) % len(order)]
        text, answer, found = MAKERS[kind](scene, rng)
        text = decorate(text, rng)
        if not scene.readable:
            asked.append(Question(text, "empty", UNREADABLE_ANSWER))
            continue
        about = tuple(scene.shapes.index(shape) for shape in found)
        asked.append(Question(text, kind, answer, about))
    return asked


def earlier_turns(scenes: Sequence[Scene], rng: np.random.Generator) -> list[Question]:
    """One to `MOST_TURNS` turns of a conversation about other scenes, so nothing can be copied.

    Half the time it is the same request to describe what is there over and over, as people ask
    while the picture changes: the hardest to leave aside.
    """
    count = int(rng.integers(1, MOST_TURNS + 1))
    others = [scenes[int(index)] for index in rng.integers(len(scenes), size=count)]
    if rng.random() < 0.5:
        return [turn for other in others for turn in ask(other, rng, count=1)]
    text = decorate(_pick(w.DESCRIBE, rng), rng)
    return [
        Question(text, "describe", describe(other))
        if other.readable and placed(other)
        else Question(text, "empty", UNREADABLE_ANSWER)
        for other in others
    ]


def ask_on(scene: Scene, last: Question, rng: np.random.Generator) -> Question | None:
    """A question about the shape that the last turn was about, called "it".

    ``None`` when that turn was not about just one.
    """
    if len(last.about) != 1:
        return None
    shape = scene.shapes[last.about[0]]
    kinds = ("colour", "shape", "place") if placed(scene) else ("colour", "shape")
    kind = _pick(kinds, rng)
    answers = {"colour": f"{shape.colour.capitalize()}.", "shape": f"A {shape.kind}."}
    answer = _at(shape) if kind == "place" else answers[kind]
    text = _pick(("", "and "), rng) + _pick(w.OF_IT[kind], rng)
    return Question(decorate(text, rng), kind, answer, last.about)


def placed(scene: Scene) -> bool:
    """Whether every shape is clearly on the left, in the middle or on the right."""
    return all(shape.place in PLACES for shape in scene.shapes)


def decorate(text: str, rng: np.random.Generator) -> str:
    """The question as people type it: politeness, question marks, letter case."""
    if rng.random() < 0.35:
        return text + "?"
    draws = rng.random(4)
    if draws[0] < 0.3:
        text = _pick(w.OPENINGS, rng) + text
    if draws[1] < 0.2:
        text += _pick(w.CLOSINGS, rng)
    text += _pick(("?", "?", "?", "", "", ".", " ?", "??"), rng)
    if draws[2] < 0.15:
        return text.upper()
    return text[0].upper() + text[1:] if draws[3] < 0.6 else text


def _describe(scene: Scene, rng: np.random.Generator) -> Made:
    return _pick(w.DESCRIBE, rng), describe(scene) if scene.readable else "", []


def _count(scene: Scene, rng: np.random.Generator) -> Made:
    form, shapes = rng.random(), scene.shapes
    if form < 0.3:
        return _pick(w.COUNT_ALL, rng), NUMBERS[len(shapes)], []
    if form < 0.65:
        colour = _often_present(COLOURS, [s.colour for s in shapes], rng)
        found = [s for s in shapes if s.colour == colour]
        return _fill(w.COUNT_COLOUR, rng, colour=colour), NUMBERS[len(found)], found
    kind = _often_present(KINDS, [s.kind for s in shapes], rng)
    found = [s for s in shapes if s.kind == kind]
    return _fill(w.COUNT_KIND, rng, kind=kind), NUMBERS[len(found)], found


def _colour(scene: Scene, rng: np.random.Generator) -> Made:
    shapes = scene.shapes
    if len(shapes) == 1 and rng.random() < 0.45:
        return _pick(w.COLOUR_ONLY, rng), f"{shapes[0].colour.capitalize()}.", [*shapes]
    if placed(scene) and rng.random() < 0.5:
        place = _often_present(tuple(PLACES), [s.place for s in shapes], rng, share=0.9)
        found = [s for s in shapes if s.place == place]
        text = _fill(w.COLOUR_AT, rng, place=place)
        return text, f"{found[0].colour.capitalize()}." if found else nothing_at(place), found
    kind = _single(KINDS, [s.kind for s in shapes], rng)
    found = [s for s in shapes if s.kind == kind]
    text = _fill(w.COLOUR_OF, rng, kind=kind)
    answer = f"{found[0].colour.capitalize()}." if found else f"I don't see a {kind}."
    return text, answer, found


def _shape(scene: Scene, rng: np.random.Generator) -> Made:
    shapes = scene.shapes
    if len(shapes) == 1 and rng.random() < 0.45:
        return _pick(w.SHAPE_ONLY, rng), f"A {shapes[0].kind}.", [*shapes]
    if placed(scene) and rng.random() < 0.5:
        place = _often_present(tuple(PLACES), [s.place for s in shapes], rng, share=0.9)
        found = [s for s in shapes if s.place == place]
        if rng.random() < 0.4:
            text = _fill(w.WHAT_AT, rng, place=place)
            answer = f"A {found[0].colour} {found[0].kind}." if found else nothing_at(place)
            return text, answer, found
        text = _fill(w.SHAPE_AT, rng, place=place)
        return text, f"A {found[0].kind}." if found else nothing_at(place), found
    colour = _single(COLOURS, [s.colour for s in shapes], rng)
    found = [s for s in shapes if s.colour == colour]
    text = _fill(w.SHAPE_OF, rng, colour=colour)
    return text, f"A {found[0].kind}." if found else f"I don't see a {colour} shape.", found


def _place(scene: Scene, rng: np.random.Generator) -> Made:
    shapes = scene.shapes
    by_kind, by_colour = rng.random() < 0.7, rng.random() < 0.6
    if len(shapes) == 1 and rng.random() < 0.25:
        return _fill(w.WHERE, rng, thing="the shape"), _at(shapes[0]), [*shapes]
    kind = _single(KINDS, [s.kind for s in shapes], rng)
    colour = _single(COLOURS, [s.colour for s in shapes], rng)
    if by_kind and by_colour:
        target = shapes[int(rng.integers(len(shapes)))] if shapes and rng.random() < 0.9 else None
        if target:
            kind, colour = target.kind, target.colour
        thing = f"{colour} {kind}"
        found = [s for s in shapes if (s.colour, s.kind) == (colour, kind)]
    elif by_kind:
        thing, found = kind, [s for s in shapes if s.kind == kind]
    else:
        thing, found = f"{colour} {_pick(w.ONE, rng)}", [s for s in shapes if s.colour == colour]
    if len(found) > 1:  # two alike: ask about one that is there once
        return _fill(w.WHERE, rng, thing="the shapes"), _everywhere(shapes), []
    text = _fill(w.WHERE, rng, thing=f"the {spoken(thing, rng)}")
    named = thing.replace(" one", " shape")
    return text, _at(found[0]) if found else f"I don't see a {named}.", found


def _presence(scene: Scene, rng: np.random.Generator) -> Made:
    shapes = scene.shapes
    wanted = bool(rng.random() < 0.5)
    colour, kind = _claim(shapes, rng, wanted=wanted)
    matches = [s for s in shapes if colour in (None, s.colour) and kind in (None, s.kind)]
    thing = " ".join(part for part in (colour, kind or "shape") if part)
    if placed(scene) and rng.random() < 0.2:
        at = [s.place for s in matches]
        place = _often_present(tuple(PLACES), at, rng, share=0.5)
        text = _fill(w.PRESENT_AT, rng, thing=spoken(thing, rng), place=place)
        return text, _yes_no(place in at), matches
    if rng.random() < 0.3:
        return _fill(w.ABSENT, rng, thing=spoken(thing, rng)), _yes_no(not matches), matches
    return _fill(w.PRESENT, rng, thing=spoken(thing, rng)), _yes_no(bool(matches)), matches


def _claim(
    shapes: tuple[Shape, ...], rng: np.random.Generator, *, wanted: bool
) -> tuple[str | None, str | None]:
    """A colour, a kind or both; true of some shape if `wanted`, else often nearly true of one."""
    by = int(rng.integers(4))  # kind, colour, or (twice as often) both
    colour, kind = _pick(COLOURS, rng), _pick(KINDS, rng)
    if shapes and (wanted or rng.random() < 0.7):
        model = shapes[int(rng.integers(len(shapes)))]
        if wanted:
            colour, kind = model.colour, model.kind
        elif rng.random() < 0.5:
            colour = model.colour
        else:
            kind = model.kind
    return (colour if by != 0 else None), (kind if by != 1 else None)


def _everywhere(shapes: tuple[Shape, ...]) -> str:
    listed = [PLACE_PHRASE[s.place] for s in shapes]
    joined = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
    return f"{joined[0].upper()}{joined[1:]}."


def _at(shape: Shape) -> str:
    phrase = PLACE_PHRASE[shape.place]
    return f"{phrase[0].upper()}{phrase[1:]}."


def nothing_at(place: str) -> str:
    """The answer for a place with no shape."""
    return f"There is nothing {PLACE_PHRASE[place]}."


def _yes_no(truth: bool) -> str:
    return "Yes." if truth else "No."


def _often_present(
    options: tuple[str, ...], present: list[str], rng: np.random.Generator, *, share: float = 0.7
) -> str:
    """One of `present` with probability `share`, else any option."""
    if present and rng.random() < share:
        return present[int(rng.integers(len(present)))]
    return _pick(options, rng)


def _single(options: tuple[str, ...], present: list[str], rng: np.random.Generator) -> str:
    """An option present exactly once, or (one time in ten, or if there is none) an absent one."""
    once = [option for option in options if present.count(option) == 1]
    if once and rng.random() < 0.9:
        return once[int(rng.integers(len(once)))]
    absent = [option for option in options if option not in present]
    return _pick(tuple(absent), rng)


def spoken(thing: str, rng: np.random.Generator) -> str:
    """The thing's name as people may write it."""
    return thing.replace("gray", "grey") if rng.random() < 0.5 else thing


def _fill(templates: tuple[str, ...], rng: np.random.Generator, **slots: str) -> str:
    """One template with its slots filled; `{at}` is a place's phrase."""
    if "place" in slots:
        slots["at"] = PLACE_PHRASE[slots["place"]]
        slots["at"] = slots["at"].replace("middle", _pick(w.MIDDLE, rng))
    if "colour" in slots:
        slots["colour"] = spoken(slots["colour"], rng)
    return _pick(templates, rng).format(**slots)


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


MAKERS: dict[str, Callable[[Scene, np.random.Generator], Made]] = {
    "describe": _describe,
    "count": _count,
    "colour": _colour,
    "shape": _shape,
    "place": _place,
    "presence": _presence,
}
# Counting, and claims of colour and shape at once, take the most examples to learn.
KIND_ORDER = (
    "describe",
    "count",
    "place",
    "colour",
    "presence",
    "count",
    "shape",
    "presence",
    "count",
    "place",
)


def ask_easy_vqa(scene: Scene, rng: np.random.Generator, *, count: int = 8) -> list[Question]:
    """Questions about a scene of one shape in the forms of easy-vqa, half of them yes or no."""
    shape = scene.shapes[0]
    asked = []
    for _ in range(count):
        form = _pick(w.EASY_VQA_FORMS, rng)
        if "{thing}" in form:
            colour, kind = _claim((shape,), rng, wanted=bool(rng.random() < 0.5))
            if colour and rng.random() < 0.6:
                kind = None
            colour = None if kind else colour
            thing = kind if colour is None else f"{colour} shape"
            holds = shape.kind == kind if colour is None else shape.colour == colour
            negated = " no " in form or " not " in form
            text, answer = form.format(thing=thing), _yes_no(holds != negated)
            asked.append(Question(text, "presence", answer, (0,) if holds else ()))
            continue
        text = form.format(kind=shape.kind, colour=shape.colour)
        about_colour = "color" in form
        answer = f"{shape.colour.capitalize()}." if about_colour else f"A {shape.kind}."
        asked.append(Question(text, "colour" if about_colour else "shape", answer, (0,)))
    return asked
