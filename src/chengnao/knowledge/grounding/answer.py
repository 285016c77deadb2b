"""From a question and passages to an answer that holds, or to "no basis found"."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge.grounding.conflicts import conflicts
from chengnao.knowledge.grounding.extract import ANSWERS, Candidate, candidates
from chengnao.knowledge.grounding.generate import PASSAGES, Written, extracted, request, understood
from chengnao.knowledge.grounding.model import By, Grounded, Sentence
from chengnao.knowledge.grounding.question import Question, Rarity
from chengnao.knowledge.model import Hit, Validity
from chengnao.models.client import ModelClient

log = logging.getLogger(__name__)

SURE, HOPELESS = 0.85, 0.35
"""Above the one the model is not asked whether there is an answer; below the other it is not asked at all: a small
model finds answers where there are none. Of the development questions about city rules that have no answer all but
one lie below, of those that have one, one."""
_SENTENCES = 2
_SECOND = 0.9
"""A second sentence must be nearly as sure as the first."""


async def answered(
    text: str,
    hits: Sequence[Hit],
    rarity: Rarity,
    day: date,
    client: ModelClient | None = None,
    **more: Any,
) -> Grounded:
    """The answer to a question from these passages, the best first. Whoever wrote it, every sentence is verified.

    Without a client, or where no model answers, the answer is made of the passages' own sentences. `more` goes into
    the request to the model (purpose, unit_id, division_code, trace, data).
    """
    question = Question.of(text)
    in_force = [hit for hit in hits if hit.source.validity(day) is Validity.IN_FORCE]
    found = candidates(question, in_force, rarity)
    suspects = tuple(hit for hit in in_force if hit.passage.suspect)
    best = found[0] if found else None
    confidence = best.confidence if best is not None else 0.0
    written = None
    if best is not None and confidence >= HOPELESS and client is not None:
        written = await _written(text, _passages(found), client, more)
    if best is None or not _answerable(confidence, written):
        outdated = _outdated(question, hits, rarity, day)
        by: By = "extract" if written is None else "model"
        dropped = written.dropped if written is not None else 0
        return Grounded(False, (), by, confidence, outdated=outdated, dropped=dropped, suspects=suspects)
    said: tuple[Sentence, ...] = written.sentences if written is not None else ()
    useful = tuple(each for each in said if question.gives(each.text))
    return Grounded(
        True,
        useful or _extracts(found),
        "model" if useful else "extract",
        confidence,
        conflicts=conflicts(best, found),
        outdated=_outdated(question, hits, rarity, day, best.confidence),
        dropped=written.dropped if written is not None else 0,
        suspects=suspects,
    )


def _answerable(confidence: float, written: Written | None) -> bool:
    if written is None or confidence >= SURE:
        return confidence >= ANSWERS
    # A model that found an answer and worded it badly is believed as far as the passages are.
    return written.answerable and (bool(written.sentences) or confidence >= ANSWERS)


def _passages(found: Sequence[Candidate]) -> list[Hit]:
    """The passages of the surest sentences, each once."""
    return list({each.hit.passage.id: each.hit for each in found}.values())[:PASSAGES]


def _extracts(found: Sequence[Candidate]) -> tuple[Sentence, ...]:
    best = found[0]
    chosen = [best]
    for each in found[1:]:
        near = each.confidence >= best.confidence * _SECOND and each.confidence >= ANSWERS
        if near and each.hit.passage.id == best.hit.passage.id and each.features["gives"]:
            chosen.append(each)
    return tuple(extracted(each) for each in chosen[:_SENTENCES])


async def _written(text: str, best: list[Hit], client: ModelClient, more: dict[str, Any]) -> Written | None:
    """What the model makes of it; None where none answers, or answers nonsense."""
    try:
        data = max((hit.source.access for hit in best), key=list(DataClass).index)
        reply = await client.chat(request(text, best, **({"purpose": "knowledge.ask", "data": data.value} | more)))
        return understood(reply.text, best)
    except (ChengnaoError, ValueError, AttributeError) as error:
        log.warning("a question is answered without a model: %s", error)
        return None


def _outdated(
    question: Question, hits: Sequence[Hit], rarity: Rarity, day: date, above: float = ANSWERS
) -> tuple[Any, ...]:
    """Sentences that would answer as surely and are not in force on the day."""
    gone = [hit for hit in hits if hit.source.validity(day) is not Validity.IN_FORCE]
    sure = [each for each in candidates(question, gone, rarity) if each.confidence >= min(above, SURE)]
    return tuple({each.hit.source.id: each.citation for each in reversed(sure)}.values())
