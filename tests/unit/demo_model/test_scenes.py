"""The scene generator: same seed, same picture; shapes apart, visible, where they say they are."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.demo_model.camera import GRIDS
from deploy.demo_model.labels import BACKGROUND, label, scene_masks
from deploy.demo_model.palette import ANCHORS, MIN_CONTRAST, contrast, is_clearly
from deploy.demo_model.scenes import PLACES, Scene, Shape, draw, outline, sample_scene

FRAMES = ((640, 480), (1280, 720), (480, 640), (720, 1280))


def scene(seed: int, width: int = 640, height: int = 480, **options: float) -> Scene:
    return sample_scene(np.random.default_rng(seed), width=width, height=height, **options)


def test_a_seed_decides_scene_and_picture() -> None:
    assert scene(5) == scene(5)
    first = draw(scene(5), 160, 120, np.random.default_rng(1))
    again = draw(scene(5), 160, 120, np.random.default_rng(1))
    assert np.array_equal(first, again)
    assert first.shape == (120, 160, 3)
    assert first.dtype == np.uint8


def test_seeds_differ() -> None:
    assert len({scene(seed) for seed in range(20)}) == 20


@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_shapes_lie_inside_apart_and_at_their_places(width: int, height: int) -> None:
    for seed in range(40):
        right_edge = 0.0
        shapes = scene(seed, width, height).shapes
        assert len({shape.place for shape in shapes}) == len(shapes)
        for shape in shapes:
            low, high = PLACES[shape.place]
            assert low <= shape.x <= high
            corners = outline(shape, width, height)
            assert corners.min() >= 0
            assert (corners <= (width, height)).all()
            assert corners[:, 0].min() > right_edge
            right_edge = corners[:, 0].max()


def test_colours_keep_their_names_and_stand_out() -> None:
    for seed in range(40):
        one = scene(seed)
        behind = one.light.on(np.array(one.backdrop.rgb, dtype=np.float32))
        for shape in one.shapes:
            seen = one.light.on(np.array(shape.paint, dtype=np.float32))
            assert is_clearly(seen, shape.colour)
            assert contrast(seen, behind) >= MIN_CONTRAST


def test_every_anchor_is_its_own_colour() -> None:
    for colour, anchors in ANCHORS.items():
        assert all(is_clearly(np.array(anchor), colour) for anchor in anchors)


def test_a_clean_scene_shows_the_exact_colour_at_the_centre() -> None:
    shape = Shape("circle", "red", "left", x=0.2, y=0.5, size=0.3)
    picture = draw(Scene((shape,)), 640, 480)
    assert tuple(picture[240, 128]) == (255, 0, 0)
    assert tuple(picture[240, 500]) == (240, 240, 240)


def test_unreadable_scenes_have_no_answerable_shape() -> None:
    for seed in range(30):
        one = scene(seed, unreadable_share=1.0)
        assert not one.readable
        assert draw(one, 160, 120).shape == (120, 160, 3)


def test_an_illegal_shape_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        Shape("hexagon", "red", "left", 0.2, 0.5, 0.3)
    with pytest.raises(ValueError, match="unknown place"):
        Shape("circle", "red", "above", 0.2, 0.5, 0.3)


def test_shapes_must_be_listed_from_left_to_right() -> None:
    left = Shape("circle", "red", "left", 0.2, 0.5, 0.3)
    right = Shape("star", "blue", "right", 0.8, 0.5, 0.3)
    with pytest.raises(ValueError, match="left to right"):
        Scene((right, left))


def test_each_shape_has_one_centre_token() -> None:
    grid = GRIDS[0]
    for seed in range(20):
        one = scene(seed, *grid.frame)
        labels = label(one, scene_masks(one, grid), grid)
        assert labels.centre.sum() == pytest.approx(len(one.shapes), abs=0.2)
        assert (labels.kind[labels.centre > 0.6] != BACKGROUND).all()
