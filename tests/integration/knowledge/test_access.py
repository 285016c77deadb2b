"""What may not be read shows nowhere: not found, not counted, not hinted at."""

import pytest

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.model import ANYBODY, Ownership, Readership
from chengnao.knowledge.readership import readership_of
from chengnao.knowledge.repository import KnowledgeRepository
from tests.support.library import CITY, Library

pytestmark = pytest.mark.engines

OWN, OTHER = "500103", "500108"
SECRET = "绝密口令"


def person(division: str, unit: str | None = None, *roles: Role) -> Readership:
    chosen = frozenset(roles or {Role.DUTY_OFFICER})
    return readership_of(Principal("someone", "某人", "user", chosen, division, unit))


READERS = {
    "anybody": ANYBODY,
    "own district": person(OWN),
    "other district": person(OTHER),
    "city": person(CITY),
    "owning unit": person(OWN, "own-unit"),
    "shared unit": person(OTHER, "friend-unit"),
    "handler": person(OWN, "third-unit", Role.HANDLER),
    "auditor": person(CITY, None, Role.AUDITOR),
}
MAY = {
    "public": set(READERS),
    "internal": {"own district", "city", "owning unit", "handler", "auditor"},
    "sensitive": {"owning unit", "shared unit", "auditor"},
}


async def test_search_answers_counts_and_lists_show_what_may_be_read_and_nothing_else(library: Library) -> None:
    owners = {
        "public": Ownership(OWN, "own-unit", DataClass.PUBLIC),
        "internal": Ownership(OWN, "own-unit", DataClass.INTERNAL),
        "sensitive": Ownership(OWN, "own-unit", DataClass.SENSITIVE, ("friend-unit",)),
    }
    base = await library.base(Ownership(OWN, None, DataClass.PUBLIC))
    ids = {}
    for name, owner in owners.items():
        text = f"第一条 {SECRET}{name}的保管期限为三十日。"
        ids[name] = (await library.hand_in(base, f"{SECRET}{name}.txt", text, owner)).id
    await library.work()
    for who, readership in READERS.items():
        allowed = {ids[name] for name, may in MAY.items() if who in may}
        hits = await library.search(SECRET, readership)
        assert {hit.source.id for hit in hits} == allowed, who
        # Meaning alone, too: the question shares no word with the texts.
        assert {hit.source.id for hit in await library.search("retention period", readership)} <= allowed, who
        answer = await library.ask(f"{SECRET}sensitive的保管期限是多久？", readership)
        cited = {each.hit.source.id for sentence in answer.sentences for each in sentence.citations}
        shown = cited | {each.hit.source.id for each in answer.outdated} | {hit.source.id for hit in answer.suspects}
        assert shown <= allowed, who
        async with library.database.unit_of_work() as uow:
            repository = KnowledgeRepository(uow.session)
            assert (await repository.counts(readership, [base.id]))[base.id] == len(allowed), who
            listed = await repository.documents(readership, PageRequest(1, 50), None, SECRET, None)
            assert ({each.id for each in listed.items}, listed.total) == (allowed, len(allowed)), who
            for document_id in set(ids.values()) - allowed:
                assert await repository.document(readership, document_id) is None, who


async def test_the_title_of_a_later_text_is_told_to_those_who_may_read_it(library: Library) -> None:
    base = await library.base(Ownership(OWN, None, DataClass.PUBLIC))
    old = await library.hand_in(base, "旧规定", "第一条 井盖由权属单位养护。", Ownership(OWN, "u", DataClass.PUBLIC))
    later = Ownership(OWN, "own-unit", DataClass.SENSITIVE)
    await library.hand_in(base, SECRET, "第一条 新的规定。", later, supersedes=old.id)
    await library.work()
    (seen,) = [hit for hit in await library.search("井盖 养护", ANYBODY) if hit.source.id == old.id]
    assert seen.source.superseded_by_title is None
    (seen,) = [hit for hit in await library.search("井盖", person(OWN, "own-unit")) if hit.source.id == old.id]
    assert seen.source.superseded_by_title == SECRET


async def test_a_base_that_may_not_be_seen_is_not_listed(library: Library) -> None:
    await library.base(Ownership(OWN, "own-unit", DataClass.SENSITIVE), SECRET)
    async with library.database.unit_of_work() as uow:
        repository = KnowledgeRepository(uow.session)
        found = {who: (await repository.bases(each, PageRequest())).total for who, each in READERS.items()}
    assert {who for who, total in found.items() if total} == {"owning unit", "auditor"}
