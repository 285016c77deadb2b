"""The models that `chengnao models pull` fetches, at work."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from chengnao.kernel.apart import run_apart
from chengnao.kernel.errors import Unavailable
from chengnao.models.card import builtin_cards
from chengnao.models.embedded import forecast, fracast, persons, plates, snapshot
from chengnao.models.embedded.weights import weights
from tests.support.letters import saved
from tests.support.plates import numbers, street
from tests.support.weights import pulled

IDS = (persons.MODEL, plates.MODEL, fracast.MODEL)


@pytest.mark.parametrize("model_id", IDS)
def test_without_the_weights_the_remedy_is_named(tmp_path: Path, model_id: str) -> None:
    with pytest.raises(Unavailable) as refused:
        weights(tmp_path, model_id)
    assert refused.value.code == "embedded_not_pulled"
    assert f"chengnao models pull {model_id}" in refused.value.text("zh")


def test_weights_that_were_changed_are_not_used(tmp_path: Path) -> None:
    (file,) = builtin_cards()[fracast.MODEL].files
    folder = tmp_path / "models" / fracast.MODEL
    folder.mkdir(parents=True)
    (folder / file.name).write_bytes(bytes(file.bytes))
    with pytest.raises(Unavailable) as refused:
        weights(tmp_path, fracast.MODEL)
    assert refused.value.code == "embedded_damaged"


def test_plates_are_found_read_and_masked() -> None:
    home = pulled(plates.MODEL)
    rng = np.random.default_rng(11)
    right = 0
    for number in numbers(rng, 8):
        (plate,) = plates.read_plates(street(number, rng), home, reveal=True)
        right += plate.number == f"{number[:2]}·{number[2:]}"
        assert plate.box == pytest.approx((0.396, 0.625, 0.604, 0.713), abs=0.03)
    assert right >= 7
    (hidden,) = plates.read_plates(street("渝A88H12", rng), home)
    assert hidden.number == "渝A·***12"
    assert hidden.complete


async def test_a_foreign_picture_is_searched_for_plates_apart() -> None:
    home = pulled(plates.MODEL)
    data = saved(Image.fromarray(street("渝A88H12", np.random.default_rng(5))), "PNG")
    (found,) = await run_apart("chengnao.models.embedded.plates:plates_apart", data, home=home, seconds=60)
    assert found["number"] == "渝A·***12"


def test_an_empty_street_has_no_plate_and_nobody() -> None:
    road = street("渝A88H12", np.random.default_rng(5))[:400]
    assert plates.read_plates(road, pulled(plates.MODEL)) == ()
    assert persons.find_persons(road, pulled(persons.MODEL)) == ()


def test_a_temple_without_people_is_a_good_picture_of_nobody() -> None:
    home = pulled(persons.MODEL)
    picture = load_sample_image("china.jpg")
    found = snapshot.look(picture, home, ground_m2=500)
    assert found.faults == ()
    assert found.persons == 0
    assert found.density is snapshot.Density.NOBODY
    again = snapshot.look(picture, home, ground_m2=500, before=found.marks)
    assert again.faults == (snapshot.Fault.FROZEN,)


def test_without_the_model_the_picture_is_judged_and_nobody_counted(tmp_path: Path) -> None:
    found = snapshot.look(load_sample_image("china.jpg"), tmp_path)
    assert (found.persons, found.density, found.faults) == (None, None, ())


async def test_a_snapshot_leaves_numbers_alone() -> None:
    home = pulled(persons.MODEL)
    data = saved(Image.fromarray(load_sample_image("china.jpg")), "JPEG")
    (found,) = await run_apart("chengnao.models.embedded.snapshot:snapshot_apart", data, home=home, seconds=60)
    assert set(found) == {"quality", "persons", "density", "faults", "marks"}
    assert len(json.dumps(found)) < 2_000
    assert not list(home.rglob("*.jpg"))


def test_the_network_says_what_its_makers_program_says() -> None:
    """The values are those of `fracast` 0.1.0 on PyTorch, with the same weights (fp32)."""
    home = pulled(fracast.MODEL)
    place = np.arange(600)
    series = 50 + 20 * np.sin(2 * np.pi * place / 24) + 5 * np.cos(2 * np.pi * place / 168) + place * 7919 % 13
    series[100:110] = np.nan
    found = fracast.fracast(series, 60, home)
    assert found.shape == (60, 9)
    wanted = [
        [46.538, 48.893, 50.247, 51.272, 51.682, 52.88, 53.885, 55.224, 57.424],
        [50.006, 52.476, 53.871, 54.938, 55.694, 56.64, 57.831, 59.391, 61.809],
        [43.088, 45.555, 47.225, 48.558, 48.888, 51.177, 52.705, 54.712, 57.293],
        [56.583, 59.479, 61.075, 62.26, 63.104, 64.227, 65.666, 67.633, 70.647],
    ]
    assert np.allclose(found[[0, 11, 47, 59]], wanted, atol=0.01)


def test_the_network_is_one_of_the_methods_where_it_is_there() -> None:
    home = pulled(fracast.MODEL)
    hours = np.arange(24 * 30)
    drifting = (
        100 + hours * 0.2 + 20 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0, 2, len(hours))
    )
    found = forecast.forecast(drifting, 24, timedelta(hours=1), home)
    assert set(found.errors) == set(forecast.Method)
    assert found.method is min(found.errors, key=lambda method: found.errors[method])
    assert all(low <= middle <= high for low, middle, high in zip(found.low, found.middle, found.high, strict=True))
