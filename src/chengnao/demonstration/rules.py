"""Rules of a fictional city for the demonstration's knowledge, openly marked as made up."""

from dataclasses import replace

from chengnao.kernel.access.model import SYSTEM
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.evals.sets import city_texts
from chengnao.knowledge.keeping import Handed, add_base, add_document
from chengnao.knowledge.model import PLATFORM, Ownership
from chengnao.knowledge.repository import KnowledgeRepository

BASE = "演示规章（虚构）"


async def add_rules(uow: UnitOfWork, settings: Settings) -> None:
    """Add the base and its documents where it is missing; among them one that another replaced, and two that differ."""
    known = await KnowledgeRepository(uow.session).bases(PLATFORM, PageRequest(1, 200))
    if any(base.name == BASE for base in known.items):
        return
    owner = Ownership(CITY, None, DataClass.PUBLIC)
    base = await add_base(uow, SYSTEM, BASE, "云河市为虚构城市，这些文本仅供演示。", owner)
    ids: dict[str, str] = {}
    for text in city_texts():
        supersedes = ids[text.about.supersedes] if text.about.supersedes is not None else None
        about = replace(text.about, supersedes=supersedes)
        file = Handed(text.file_name, text.text.encode())
        document = await add_document(uow, settings.home, SYSTEM, base, about, replace(owner, access=text.access), file)
        ids[text.key] = document.id
