"""The one search box: incidents, warnings, devices, knowledge and pages, each only as far as the asker may see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from chengnao.agents.catalogue.model import Wanted
from chengnao.agents.catalogue.repository import CatalogueRepository
from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.incident.advice import service
from chengnao.incident.advice.model import Intent, Question, pieces, understood
from chengnao.incident.catalogue import category_name
from chengnao.incident.names import Names
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import city_text_short
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.model import mask
from chengnao.knowledge import service as knowledge
from chengnao.knowledge.readership import readership_of
from chengnao.sensing.devices.list_repository import DeviceFilter, DeviceLists
from chengnao.sensing.devices.model import device_classes
from chengnao.warning.repository import WarningRepository


@dataclass(frozen=True)
class Hit:
    """Something that was found, and where the console shows it."""

    kind: str
    id: str
    title: str
    detail: str
    path: str


@dataclass(frozen=True)
class Group:
    """What was found of one kind."""

    kind: str
    name: str
    hits: Sequence[Hit]


@dataclass(frozen=True)
class Page:
    """A page of the console; `roles` empty: everybody's."""

    path: str
    name: str
    words: tuple[str, ...]
    roles: frozenset[str]


@cache
def pages() -> Sequence[Page]:
    """The pages of `pages.yaml`."""
    raw = yaml.safe_load((files(__package__) / "pages.yaml").read_text("utf-8"))
    return [
        Page(each["path"], each["name"], tuple(each.get("words", ())), frozenset(each.get("roles", ()))) for each in raw
    ]


NAMES = {
    Intent.INCIDENT: "事件",
    Intent.WARNING: "预警",
    Intent.DEVICE: "设备",
    Intent.KNOWLEDGE: "知识",
    Intent.PAGE: "页面",
    Intent.AGENT: "智能体",
}


async def search(
    uow: UnitOfWork, home: Path, principal: Principal, text: str, limit: int
) -> tuple[Question, list[Group]]:
    """Everything that the text may mean, the kind that it seems to look for first; empty kinds are left out."""
    question, scope = understood(text), Scope.of(principal)
    found = {
        Intent.INCIDENT: await _incidents(uow, scope, question, limit),
        Intent.KNOWLEDGE: [] if question.number else await _passages(uow, home, principal, text, limit),
        Intent.WARNING: await _warnings(uow, scope, question, limit),
        Intent.DEVICE: await _devices(uow, scope, question, limit),
        Intent.AGENT: await _agents(uow, principal, question),
        Intent.PAGE: find_pages(principal, text, question),
    }
    order = sorted(found, key=lambda kind: kind is not question.intent)
    return question, [Group(kind.value, NAMES[kind], found[kind]) for kind in order if found[kind]]


async def _incidents(uow: UnitOfWork, scope: Scope, question: Question, limit: int) -> list[Hit]:
    found = await service.find(uow, scope, question, limit)
    names = await Names.load(uow)
    # One of many words says little; of what was found only that with most of them is shown.
    most = max((count for _, count in found), default=0)
    return [
        Hit(
            Intent.INCIDENT.value,
            each.id,
            f"{each.number} {mask(each.title)}",
            f"{each.state.zh} · {category_name(each.category)} · {names.division(each.division_code)}"
            f" · {city_text_short(each.opened_at)}",
            f"/incidents/{each.id}",
        )
        for each, count in found
        if count * 2 >= most
    ]


async def _passages(uow: UnitOfWork, home: Path, principal: Principal, text: str, limit: int) -> list[Hit]:
    """Passages that the asker may read and that are in force."""
    readership = readership_of(principal)
    found = await knowledge.search(uow, home, readership, text, on=knowledge.today(uow), limit=limit)
    return [
        Hit(
            Intent.KNOWLEDGE.value,
            each.passage.id,
            f"{each.source.about.title} {each.passage.label}".strip(),
            " ".join(each.passage.text.split())[:120],
            f"/knowledge/{each.source.id}?passage={each.passage.id}",
        )
        for each in found
    ]


async def _agents(uow: UnitOfWork, principal: Principal, question: Question) -> list[Hit]:
    """Agents that the asker may use."""
    found: dict[str, Hit] = {}
    for word in question.words:
        wanted = Wanted(words=word, published_only=True)
        page = await CatalogueRepository(uow.session).agents(principal, wanted, PageRequest(1, 5))
        for each in page.items:
            agent = each.version.definition
            purpose = agent.purpose if isinstance(agent.purpose, str) else agent.purpose.zh
            hit = Hit(Intent.AGENT.value, agent.id, agent.name.zh, purpose[:120], f"/agents/{agent.id}")
            found.setdefault(agent.id, hit)
    return list(found.values())[:5]


async def _warnings(uow: UnitOfWork, scope: Scope, question: Question, limit: int) -> list[Hit]:
    found: dict[str, Hit] = {}
    for word in question.words:
        page = await WarningRepository(uow.session).warnings(scope, PageRequest(1, limit), words=word)
        for each in page.items:
            state = "未解除" if each.state == "open" else "已解除"
            detail = f"{each.level.zh} · {state} · {city_text_short(each.opened_at)}"
            path = f"/incidents/{each.incident_id}" if each.incident_id else "/situation"
            found.setdefault(each.id, Hit(Intent.WARNING.value, each.id, each.title, detail, path))
    return list(found.values())[:limit]


async def _devices(uow: UnitOfWork, scope: Scope, question: Question, limit: int) -> list[Hit]:
    found: dict[str, Hit] = {}
    classes = device_classes()
    for word in question.words:
        wanted = DeviceFilter(words=word)
        page = await DeviceLists(uow.session).devices(scope, wanted, PageRequest(1, limit))
        for each in page.items:
            kind = classes[each.class_code].name_zh if each.class_code in classes else each.class_code
            hit = Hit(Intent.DEVICE.value, each.id, each.name, f"{kind} · {each.id}", f"/devices?device={each.id}")
            found.setdefault(each.id, hit)
    return list(found.values())[:limit]


def find_pages(principal: Principal, text: str, question: Question) -> list[Hit]:
    """The pages whose name or words stand in the text, as far as they are the asker's."""
    parts = pieces(question.words, 40)
    weighed = []
    for page in pages():
        if page.roles and not page.roles & {role.value for role in principal.roles}:
            continue
        known = (page.name, *page.words)
        weight = max(
            2 * (word in text) + (text.strip() in word) + any(part == word for part in parts) for word in known
        )
        if weight:
            weighed.append((weight, page))
    best = sorted(weighed, key=lambda pair: -pair[0])[:5]
    return [Hit(Intent.PAGE.value, page.path, page.name, "", page.path) for _, page in best]


async def smart_search(call: Call, given: dict[str, Any]) -> Answer:
    """What was looked for, and how much of it was found."""
    text = str(given.get("query", ""))
    question, groups = await search(call.uow, call.home, call.principal, text, 5)
    hits = [hit for group in groups for hit in group.hits]
    shown = "，".join(f"{group.name} {len(group.hits)} 条" for group in groups)
    return Answer(
        result={
            "answerable": bool(hits),
            "intent": question.intent.value,
            "words": list(question.words),
            "summary": f"找到{shown}。" if hits else "没有找到，请换一个说法或去掉一些词。",
            "hits": [vars(hit) for hit in hits[:15]],
        },
        evidence=[Evidence(kind=hit.kind, id=hit.id, title=hit.title, quote=hit.detail) for hit in hits[:10]],
        confidence=0.7 if hits else 0.3,
    )
