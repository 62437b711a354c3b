"""Questions: many wordings, answers that follow from the scene."""

from __future__ import annotations

import numpy as np

from deploy.demo_model import wordings
from deploy.demo_model.questions import (
    OUT_OF_DOMAIN_ANSWER,
    UNREADABLE_ANSWER,
    Question,
    ask,
    ask_easy_vqa,
    ask_on,
    describe,
)
from deploy.demo_model.scenes import Scene, Shape, sample_scene

PAIR = Scene(
    (
        Shape("circle", "red", "left", 0.2, 0.5, 0.3),
        Shape("star", "blue", "right", 0.8, 0.5, 0.3),
    )
)


def answers(scene: Scene, kind: str, seed: int = 0) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    asked = [question for _ in range(60) for question in ask(scene, rng)]
    return {question.text.lower(): question.answer for question in asked if question.kind == kind}


def test_a_description_names_everything_from_left_to_right() -> None:
    assert describe(PAIR) == "A red circle on the left and a blue star on the right."
    assert set(answers(PAIR, "describe").values()) == {describe(PAIR)}


def test_counts_follow_from_the_scene() -> None:
    for text, answer in answers(PAIR, "count").items():
        if "red" in text or "circle" in text or "blue" in text or "star" in text:
            assert answer == "One.", text
        elif "shape" in text and answer == "None.":
            assert any(colour in text for colour in ("gr", "b", "y", "t", "p", "w"))
    rng = np.random.default_rng(0)
    whole = {q.answer for _ in range(80) for q in ask(PAIR, rng) if "how many things are" in q.text}
    assert whole <= {"Two."}


def test_colour_shape_and_place_are_those_of_the_shape_asked_about() -> None:
    for text, answer in answers(PAIR, "colour").items():
        if "circle" in text or "left" in text:
            assert answer == "Red.", text
    for text, answer in answers(PAIR, "shape").items():
        if "blue" in text:
            assert answer == "A star.", text
    for text, answer in answers(PAIR, "place").items():
        if "red" in text and "circle" in text:
            assert answer == "On the left.", text


def test_presence_and_its_negation() -> None:
    for text, answer in answers(PAIR, "presence").items():
        negated = " no " in text or " not " in text
        if "red circle" in text and " on the " not in text and " in the middle" not in text:
            if "red circle in the c" in text or "true" in text or "shape" in text:
                continue
            assert answer == ("No." if negated else "Yes."), text


def test_an_unreadable_scene_has_one_answer() -> None:
    rng = np.random.default_rng(2)
    scene = sample_scene(rng, unreadable_share=1.0)
    asked = [question for _ in range(40) for question in ask(scene, rng)]
    assert {question.answer for question in asked} <= {UNREADABLE_ANSWER, OUT_OF_DOMAIN_ANSWER}
    assert {question.kind for question in asked} <= {"empty", "other"}


def test_the_same_seed_asks_the_same() -> None:
    first = ask(PAIR, np.random.default_rng(4))
    assert first == ask(PAIR, np.random.default_rng(4))


def test_every_kind_has_ten_wordings_or_more() -> None:
    for name in ("DESCRIBE", "COUNT_ALL", "COLOUR_OF", "SHAPE_OF", "WHERE", "PRESENT", "ABSENT"):
        assert len(set(getattr(wordings, name))) >= 10, name


def test_easy_vqa_forms_are_answered_as_the_data_set_means_them() -> None:
    one = Scene((Shape("circle", "teal", "left", 0.2, 0.5, 0.3),))
    asked = ask_easy_vqa(one, np.random.default_rng(0), count=2000)
    known = {question.text: question.answer for question in asked}
    assert known["is there not a circle?"] == "No."
    assert known["is no rectangle present?"] == "Yes."
    assert known["what is the teal shape?"] == "A circle."
    assert known["what color is the shape?"] == "Teal."


def test_a_further_question_is_about_the_one_shape_spoken_of() -> None:
    rng = np.random.default_rng(0)
    about_star = Question("What is blue?", "shape", "A star.", (1,))
    asked = [ask_on(PAIR, about_star, rng) for _ in range(60)]
    found = {(question.kind, question.answer) for question in asked if question}
    assert found == {("colour", "Blue."), ("shape", "A star."), ("place", "On the right.")}
    about_both = Question("What do you see?", "describe", describe(PAIR))
    assert ask_on(PAIR, about_both, rng) is None
