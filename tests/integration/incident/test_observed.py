"""The classifier in use is in the registry, and its use on reports is seen there without a word of them."""

from pathlib import Path

import pytest

from chengnao.incident.classification.model import CLASSIFIER
from chengnao.incident.reports.desk import desk_at
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.paging import PageRequest
from chengnao.models.registry.drift import drift
from chengnao.models.registry.model import CHAMPION
from chengnao.models.registry.repository import RegistryRepository
from chengnao.models.registry.service import require_model
from chengnao.models.training.installed import Installed
from tests.integration.api.test_classify import TEXT, install
from tests.support.training import offered

pytestmark = pytest.mark.engines


async def test_the_classifier_in_use_is_registered_once_and_observed(tmp_path: Path, database: Database) -> None:
    install(tmp_path)
    desk = desk_at(tmp_path)
    with offered(tmp_path / "offered", **{CLASSIFIER: "chengnao.incident.classification.recipe:RECIPE"}):
        async with database.unit_of_work() as uow:
            await seed_divisions(uow)
            for _ in range(2):
                await Installed(tmp_path).enter(uow)
            await uow.commit()
    async with database.unit_of_work() as uow:
        model = await require_model(uow, CLASSIFIER)
        assert model.versions == 1
        await desk.understand(uow, TEXT, uow.clock.now(), None)
        await desk.understand(uow, TEXT, uow.clock.now(), "noise")
        await uow.commit()
    async with database.unit_of_work() as uow:
        found = await drift(uow, CLASSIFIER, model.aliases[CHAMPION])
        assert {each.measure: each.present + each.reference for each in found} == {
            "label": 1,
            "confidence": 1,
            "length": 1,
        }
        listed = await RegistryRepository(uow.session).models(PageRequest(), words="classifier", kind=None)
        assert [each.id for each in listed.items] == [CLASSIFIER]
