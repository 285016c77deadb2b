"""What comes before and after the networks that look at pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Unavailable
from chengnao.models.embedded import persons, plates
from chengnao.models.embedded.persons import find_persons
from chengnao.models.embedded.pictures import strongest
from chengnao.models.embedded.plates import mask_plate, read_plates, spell
from chengnao.models.embedded.vision import Sight, vision

side = st.floats(0, 0.9)


@given(st.lists(st.tuples(side, side, st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(0, 1)), max_size=12))
def test_what_is_kept_stands_for_different_things_and_nothing_is_lost(
    given_: list[tuple[float, float, float, float, float]],
) -> None:
    rows = np.array(given_, dtype=float).reshape(-1, 5)
    boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    kept = strongest(boxes, rows[:, 4], 0.5)

    def same(one: int, other: int) -> bool:
        low, high = np.maximum(boxes[one, :2], boxes[other, :2]), np.minimum(boxes[one, 2:], boxes[other, 2:])
        shared = float(np.prod(np.maximum(high - low, 0)))
        first, second = float(np.prod(rows[one, 2:4])), float(np.prod(rows[other, 2:4]))
        return shared > 0.5 * (first + second - shared) or shared > 0.7 * min(first, second)

    assert [rows[row, 4] for row in kept] == sorted((rows[row, 4] for row in kept), reverse=True)
    assert not any(same(one, other) for place, one in enumerate(kept) for other in kept[place + 1 :])
    lost = set(range(len(rows))) - set(kept)
    assert all(any(same(row, other) and rows[other, 4] >= rows[row, 4] for other in kept) for row in lost)


@pytest.mark.parametrize(
    ("number", "shown"), [("渝A88H12", "渝A·***12"), ("渝AD12345", "渝A·****45"), ("渝A", "渝A·"), ("7", "7·")]
)
def test_a_plate_is_masked_but_for_its_place_and_end(number: str, shown: str) -> None:
    assert mask_plate(number) == shown


def test_a_character_that_runs_over_columns_is_one_and_a_gap_parts_two() -> None:
    best = [0, 2, 2, 0, 2, 1, 0]
    shares = np.full((len(best), 3), 0.01, dtype=np.float32)
    shares[range(len(best)), best] = 0.9
    shares[5, 1] = 0.6
    text, confidence = spell(shares, "AB")
    assert text == "BBA"
    assert confidence == pytest.approx(0.6)
    assert spell(shares[:1], "AB") == ("", 0.0)


def test_the_boxes_of_the_networks_lie_where_they_were_trained() -> None:
    assert persons._anchors().shape == (1917, 4)
    assert np.allclose(persons._anchors()[0], (0.5 / 19, 0.5 / 19, 0.1, 0.1))
    assert plates._anchors(64, 96).shape == (2 * (8 * 12 + 4 * 6 + 2 * 3), 4)
    assert np.allclose(plates._anchors(64, 96)[2], (12, 4, 24, 24))


def test_a_code_of_nothing_is_the_box_itself() -> None:
    middle = persons._anchors()[:, :2]
    boxes = persons.decode(np.zeros((1917, 4), dtype=np.float32))
    inside = ((persons._anchors()[:, 2:] / 2 <= middle) & (middle + persons._anchors()[:, 2:] / 2 <= 1)).all(axis=1)
    found = (boxes[:, [1, 0]] + boxes[:, [3, 2]]) / 2
    assert np.allclose(found[inside], middle[inside], atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (640, 640), (601, 2000), (5000, 700)])
def test_every_part_of_a_large_picture_is_looked_at_closely(width: int, height: int) -> None:
    whole, *pieces = persons._looks(width, height)
    assert whole == (0, 0, width, height)
    seen = np.zeros((height, width), dtype=np.uint8)
    for left, top, right, bottom in pieces:
        assert right - left == bottom - top == min(width, height) // 2
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1


def test_a_small_picture_is_looked_at_once() -> None:
    assert list(persons._looks(640, 480)) == [(0, 0, 640, 480)]


def test_what_no_model_can_see_is_said_and_not_guessed() -> None:
    assert vision(Sight.PERSONS) is find_persons
    assert vision(Sight.PLATES) is read_plates
    for sight in set(Sight) - {Sight.PERSONS, Sight.PLATES}:
        with pytest.raises(Unavailable) as refused:
            vision(sight)
        assert sight.zh in refused.value.text("zh")
        assert "未安装" in refused.value.text("zh")
