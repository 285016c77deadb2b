"""What a camera's picture can be asked, and which of it a model that is installed can answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.vocabulary import Named
from chengnao.models.embedded.persons import find_persons
from chengnao.models.embedded.pictures import Pixels
from chengnao.models.embedded.plates import read_plates


class Sight(Named):
    PERSONS = "persons", "人数", "number of people"
    PLATES = "plates", "车牌", "number plates"
    FIRE = "fire", "烟火", "fire and smoke"
    WATER = "water", "道路积水", "water on the road"
    HELMET = "helmet", "安全帽", "safety helmets"
    WASTE = "waste", "垃圾堆放", "heaps of waste"
    OCCUPATION = "occupation", "占道经营", "trade on the road"
    VEHICLES = "vehicles", "车辆分类", "kinds of vehicles"
    PESTS = "pests", "病虫害", "pests of crops"


Look = Callable[[Pixels, Path], tuple[Any, ...]]
"""From a picture and the data folder to what was found."""

_LOOKS: dict[Sight, Look] = {Sight.PERSONS: find_persons, Sight.PLATES: read_plates}


def vision(sight: Sight) -> Look:
    """What answers; raises Unavailable where Chengnao has no model for it: nothing is guessed."""
    look = _LOOKS.get(sight)
    if look is None:
        raise Unavailable("vision_not_installed", retry_after=3600, name_zh=sight.zh, name_en=sight.en)
    return look
