"""The evaluation sets of this package and the texts that they ask about."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.grounding.model import Grounded
from chengnao.knowledge.model import About, DocumentKind, Passage, Source
from chengnao.knowledge.reading.plain import read_markdown
from chengnao.knowledge.reading.work import embedded_text
from chengnao.knowledge.shelf import Shelf
from chengnao.knowledge.splitting import split
from chengnao.knowledge.text import article_number, bare
from chengnao.models.embedded.embedding import embed

Part = Literal["development", "held_out"]

DAY = date(2026, 6, 1)
"""The day on which the questions are asked."""


@dataclass(frozen=True)
class CityText:
    """One of the synthetic texts of a fictional city. `key` names its file."""

    key: str
    about: About
    access: DataClass
    text: str

    @property
    def file_name(self) -> str:
        return f"{self.key}.md"


def city_texts() -> list[CityText]:
    """All texts, those that others take the place of before those."""
    found = []
    for path in sorted((files("chengnao.knowledge") / "evals" / "texts").iterdir(), key=lambda each: each.name):
        _, head, text = path.read_text("utf-8").split("---\n", 2)
        given: dict[str, Any] = yaml.safe_load(head)
        about = About(
            title=given["title"],
            kind=DocumentKind(given["kind"]),
            issuer=given["issuer"],
            number=given["number"],
            valid_from=given["valid_from"],
            valid_to=given.get("valid_to"),
            supersedes=given.get("supersedes"),
            synthetic=True,
        )
        found.append(CityText(path.name.removesuffix(".md"), about, DataClass(given["access"]), text.strip() + "\n"))
    return sorted(found, key=lambda each: each.about.supersedes is not None)


@dataclass(frozen=True)
class Item:
    """A question: `expect` are lists of wordings, one of each stands in a right answer; none: there is no answer."""

    question: str
    law: bool
    documents: tuple[str, ...]
    articles: tuple[str, ...]
    expect: tuple[tuple[str, ...], ...]

    @property
    def answerable(self) -> bool:
        return bool(self.expect)

    def judge(self, answer: Grounded) -> Literal["right", "not_found", "wrong"]:
        """`right` for an unanswerable question is that nothing was found; `not_found`: an answer was there."""
        if not answer.found:
            return "not_found" if self.answerable else "right"
        if not self.answerable:
            return "wrong"
        said = bare(answer.text)
        holds = all(any(bare(wording) in said for wording in wordings) for wordings in self.expect)
        named = {each.hit.source.id for sentence in answer.sentences for each in sentence.citations}
        return "right" if holds and not named.isdisjoint(self.documents) else "wrong"


def items(part: Part) -> list[Item]:
    given = yaml.safe_load((files("chengnao.knowledge") / "evals" / f"{part}.yaml").read_text("utf-8"))
    return [
        Item(
            question=each["q"],
            law=each.get("law", False),
            documents=tuple(each.get("document", ())),
            articles=tuple(str(number) for number in each.get("article", ())),
            expect=tuple(tuple(str(word) for word in wordings) for wordings in each.get("expect", ())),
        )
        for each in given
    ]


def city_shelf(folder: Path) -> Shelf:
    """A shelf with all texts; the document ids are their keys."""
    texts = city_texts()
    later = {each.about.supersedes: each for each in texts if each.about.supersedes}
    shelf = Shelf(folder)
    for each in texts:
        by = later.get(each.key)
        begins = by.about.valid_from if by is not None else None
        ends = each.about.valid_to if begins is None else date.fromordinal(begins.toordinal() - 1)
        source = Source(
            each.key,
            "city",
            each.about,
            ends,
            superseded_by=by.key if by else None,
            superseded_by_title=by.about.title if by else None,
        )
        passages = split(each.key, read_markdown(each.text, "markdown").blocks)
        shelf.add(source, passages, _vectors(passages))
    shelf.close()
    return shelf


def law_shelf(folder: Path, articles: Iterable[dict[str, str]], told: Callable[[int], None] | None = None) -> Shelf:
    """A shelf with the articles of laws: mappings with law, chapter, article and text."""
    laws: dict[str, list[dict[str, str]]] = {}
    for each in articles:
        laws.setdefault(each["law"], []).append(each)
    shelf = Shelf(folder)
    for law, own in laws.items():
        passages = law_passages(law, own)
        source = Source(law, "laws", About(title=law, kind=DocumentKind.LAW))
        shelf.add(source, passages, _vectors(passages))
        if told is not None:
            told(len(own))
    shelf.close()
    return shelf


def law_passages(law: str, articles: Sequence[dict[str, str]]) -> list[Passage]:
    """One passage for each article, named by law and article."""
    return [
        Passage(
            id=f"{law}|{each['article']}",
            document_id=law,
            position=place,
            text=f"{each['article']} {each['text']}",
            path=(each["chapter"],),
            article=article_number(each["article"]),
            page=None,
            start=0,
            end=0,
        )
        for place, each in enumerate(articles)
    ]


def _vectors(passages: Sequence[Passage]) -> Any:
    return embed([embedded_text(each) for each in passages])
