"""The index of words: characters and pairs of characters of all passages of all bases, in one folder.

The database is the truth. One process writes; others open the folder and look again after each change.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from chengnao.kernel.errors import Unavailable
from chengnao.knowledge.model import DocumentKind, Filter, Passage
from chengnao.knowledge.text import article_number, query_terms, terms

FORM = 1
"""Of what is written; an index of another form is made anew."""
_MEMORY = 64 * 2**20
_LONGEST_QUERY = 256
"""Terms; those that follow add time and little else."""
_TITLE_BOOST = 0.3
_ARTICLE_BOOST = 8.0
_FIRST_DAY, _LAST_DAY = 0, 10_000_000


@dataclass(frozen=True)
class IndexedDocument:
    """A document as the index wants it."""

    id: str
    base_id: str
    title: str
    kind: DocumentKind
    number: str
    readers: tuple[str, ...]
    begins: date | None
    ends: date | None
    passages: Sequence[Passage]


class Writer:
    """The one writer; raises OSError where another process writes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._index = _open(folder) or _made(folder)
        try:
            self._writer = self._index.writer(_MEMORY, 1)
        except ValueError as error:
            raise OSError(str(error)) from error

    def replace(self, document: IndexedDocument) -> None:
        """Put the document's passages in the place of those that the index has of it."""
        self.remove(document.id)
        for passage in document.passages:
            self._writer.add_document(_entry(document, passage))

    def remove(self, document_id: str) -> None:
        self._writer.delete_documents_by_term("document", document_id)

    def clear(self) -> None:
        self._writer.delete_all_documents()

    def commit(self, stamp: str) -> None:
        """Make what was put and removed visible, all together; the stamp is kept with it."""
        tantivy = _tantivy()
        self._writer.delete_documents_by_term("document", _STAMP)
        self._writer.add_document(tantivy.Document(document=[_STAMP], passage=[stamp], reader=[_STAMP]))
        self._writer.commit()

    def stamp(self) -> str | None:
        """The stamp of the last commit; None where there was none."""
        self._index.reload()
        searcher = self._index.searcher()
        query = _tantivy().Query.term_query(self._index.schema, "document", _STAMP)
        hits = searcher.search(query, 1).hits
        return None if not hits else str(searcher.doc(hits[0][1])["passage"][0])

    def close(self) -> None:
        self._writer.wait_merging_threads()


class Index:
    """The index for those who search; it follows what the writer commits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index: Any = None

    def search(self, query: str, wanted: Filter, limit: int) -> list[tuple[str, float]]:
        """The best passages by their words, best first: (id, score). Only what passes the filter is looked at.

        Raises Unavailable where there is no index yet.
        """
        words = query_terms(query)[:_LONGEST_QUERY]
        if not words:
            return []
        searcher = self._searcher()
        tantivy = _tantivy()
        schema = self._index.schema
        should, must = tantivy.Occur.Should, tantivy.Occur.Must
        term = tantivy.Query.term_query
        parts = [(should, term(schema, "text", word, "freq")) for word in words]
        parts += [
            (should, tantivy.Query.boost_query(term(schema, "title", word, "freq"), _TITLE_BOOST)) for word in words
        ]
        number = _article_asked(query)
        if number is not None:
            parts.append((should, tantivy.Query.boost_query(term(schema, "article", number), _ARTICLE_BOOST)))
        ranked = tantivy.Query.boolean_query(parts)
        clauses = [(must, ranked), *((must, each) for each in self._conditions(wanted))]
        hits = searcher.search(tantivy.Query.boolean_query(clauses), limit, count=False).hits
        return [(str(searcher.doc(address)["passage"][0]), float(score)) for score, address in hits]

    def frequencies(self, words: Iterable[str]) -> tuple[dict[str, int], int]:
        """In how many passages each term stands, and how many passages there are, whoever may read them."""
        searcher = self._searcher()
        return {word: searcher.doc_freq("text", word) for word in words}, searcher.num_docs

    def _conditions(self, wanted: Filter) -> list[Any]:
        """Conditions that count for nothing in the score."""
        query = _tantivy().Query
        schema, kinds = self._index.schema, _tantivy().FieldType
        found = []
        if wanted.readership.marks is not None:
            found.append(query.term_set_query(schema, "reader", list(wanted.readership.marks)))
        for name, values in (
            ("base", wanted.base_ids),
            ("kind", [kind.value for kind in wanted.kinds]),
            ("document", wanted.document_ids),
        ):
            if values:
                found.append(query.term_set_query(schema, name, list(values)))
        if wanted.on is not None:
            day = wanted.on.toordinal()
            found.append(query.range_query(schema, "begins", kinds.Integer, _FIRST_DAY, day))
            found.append(query.range_query(schema, "ends", kinds.Integer, day, _LAST_DAY))
        return [query.const_score_query(each, 0.0) for each in found]

    def _searcher(self) -> Any:
        if self._index is None:
            self._index = _open(self._folder)
        if self._index is None:
            raise Unavailable("knowledge_index_missing")
        try:
            self._index.reload()
        except ValueError as error:  # the folder was made anew
            self._index = None
            raise Unavailable("knowledge_index_missing", retry_after=2) from error
        return self._index.searcher()


_STAMP = "\x00stamp"


def _article_asked(query: str) -> str | None:
    place = query.find("第")
    while place >= 0:
        if (number := article_number(query[place:])) is not None:
            return number
        place = query.find("第", place + 1)
    return None


def _entry(document: IndexedDocument, passage: Passage) -> Any:
    return _tantivy().Document(
        passage=[passage.id],
        document=[document.id],
        base=[document.base_id],
        kind=[document.kind.value],
        reader=list(document.readers),
        article=[] if passage.article is None else [passage.article],
        begins=[_FIRST_DAY if document.begins is None else document.begins.toordinal()],
        ends=[_LAST_DAY if document.ends is None else document.ends.toordinal()],
        text=[" ".join(terms("\n".join((*passage.path[-1:], passage.text))))],
        title=[" ".join(terms(f"{document.title} {document.number}"))],
    )


def _made(folder: Path) -> Any:
    """A new, empty index in the place of whatever lies there."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "form").write_text(str(FORM))
    tantivy = _tantivy()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("passage", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("document", "base", "kind", "reader", "article"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("begins", "ends"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in ("text", "title"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return tantivy.Index(builder.build(), str(folder))


def _open(folder: Path) -> Any:
    """The index in the folder; None where there is none, or none that can be used."""
    form = folder / "form"
    if not form.is_file() or form.read_text() != str(FORM):
        return None
    try:
        return _tantivy().Index.open(str(folder))
    except (ValueError, OSError):
        return None


@cache
def _tantivy() -> Any:
    return import_module("tantivy")
