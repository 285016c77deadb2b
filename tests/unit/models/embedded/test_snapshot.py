"""Whether a camera's picture can be relied on, and how dense a number of people is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from chengnao.models.embedded.snapshot import Density, Fault, density_of, marks_of, quality_of

RNG = np.random.default_rng(2)


def scene() -> NDArray[np.uint8]:
    """Buildings of a kind: blocks of grey with hard edges, a little grain."""
    blocks = RNG.integers(20, 235, (18, 32, 1)).repeat(40, axis=0).repeat(40, axis=1).repeat(3, axis=2)
    picture: NDArray[np.uint8] = (blocks + RNG.normal(0, 4, blocks.shape)).clip(0, 255).astype(np.uint8)
    return picture


def faults_of(picture: NDArray[np.uint8]) -> tuple[Fault, ...]:
    return quality_of(picture).faults


def blurred(picture: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def test_a_sharp_picture_has_no_fault() -> None:
    assert faults_of(scene()) == ()


def test_what_is_wrong_with_a_picture_is_named() -> None:
    picture = scene()
    assert faults_of(blurred(picture, 8)) == (Fault.BLURRED,)
    assert faults_of((picture * 0.25).astype(np.uint8)) == (Fault.DARK,)
    assert faults_of(np.full_like(picture, 120)) == (Fault.COVERED,)
    assert faults_of((picture * 0.15 + 212).astype(np.uint8)) == (Fault.BRIGHT,)
    assert faults_of(picture[:200, :300]) == (Fault.SMALL,)


def test_a_blurred_picture_is_one_at_any_contrast() -> None:
    faint = (blurred(scene(), 8) * 0.3 + 80).astype(np.uint8)
    assert faults_of(faint) == (Fault.BLURRED,)
    assert faults_of((scene() * 0.3 + 80).astype(np.uint8)) == ()


def test_the_same_picture_has_the_same_marks_though_its_clock_runs() -> None:
    picture = scene()
    later = picture.copy()
    later[10:30, 10:120] = 255  # the clock
    live = (picture.astype(int) + RNG.integers(-1, 2, picture.shape)).clip(0, 255).astype(np.uint8)
    same = sum(one == other for one, other in zip(marks_of(picture), marks_of(later), strict=True))
    other = sum(one == other for one, other in zip(marks_of(picture), marks_of(live), strict=True))
    assert len(marks_of(picture)) == 64
    assert same == 63
    assert other == 0


@pytest.mark.parametrize(
    ("persons", "density"),
    [(0, "nobody"), (1, "sparse"), (49, "sparse"), (50, "busy"), (199, "busy"), (200, "crowded"), (400, "dangerous")],
)
def test_density_is_people_for_each_square_metre(persons: int, density: str) -> None:
    assert density_of(persons, 100) is Density(density)


@pytest.mark.parametrize(
    ("persons", "density"),
    [(0, "nobody"), (1, "sparse"), (9, "sparse"), (10, "busy"), (25, "crowded"), (900, "crowded")],
)
def test_without_an_area_density_is_people_in_the_picture(persons: int, density: str) -> None:
    assert density_of(persons) is Density(density)
