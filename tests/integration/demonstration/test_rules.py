import pytest

from chengnao.demonstration.rules import add_rules
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from chengnao.knowledge.model import ANYBODY, DocumentKind, Validity
from chengnao.knowledge.repository import KnowledgeRepository
from chengnao.knowledge.views import DocumentOut

pytestmark = pytest.mark.engines


async def test_the_rules_are_added_once_and_marked_as_made_up(database: Database, settings: Settings) -> None:
    for _ in range(2):
        async with database.unit_of_work() as uow:
            await add_rules(uow, settings)
            await uow.commit()
    async with database.unit_of_work() as uow:
        found = await KnowledgeRepository(uow.session).documents(ANYBODY, PageRequest(1, 50), None, "", None)
        shown = [DocumentOut.of(each, None, uow.clock.now().date()) for each in found.items]
    assert len(shown) == 14
    assert all(each.synthetic and "示例" in each.title for each in shown)
    assert [each.title for each in shown if each.validity is Validity.SUPERSEDED] == [
        "云河市检查井盖管理规定（2021年）（示例）"
    ]
    assert {each.kind for each in shown} >= {DocumentKind.POLICY, DocumentKind.PROCEDURE, DocumentKind.PLAN}
