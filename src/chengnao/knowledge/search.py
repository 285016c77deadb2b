"""Words and meaning together: two rankings of the same passages made into one."""

from collections.abc import Mapping, Sequence

DEPTH = 50
"""How far down each ranking is looked at."""
_WORDS = 0.6
"""What words count for against meaning; chosen on the train half of benchmarks/knowledge.py."""

Ranking = Sequence[tuple[str, float]]
"""Passages by their ids, best first, each with its score."""


def fuse(words: Ranking, meaning: Ranking, limit: int, share: float = _WORDS) -> list[tuple[str, float]]:
    """The best of both: each ranking's scores brought to 0..1, then added by weight.

    Scores of words begin at 0; cosines of this model lie close together, so the last of them counts as 0.
    """
    scores: dict[str, float] = {}
    least = meaning[-1][1] if len(meaning) > 1 else 0.0
    for ranking, weight in ((_scaled(words, 0.0), share), (_scaled(meaning, least), 1 - share)):
        for passage_id, score in ranking.items():
            scores[passage_id] = scores.get(passage_id, 0.0) + weight * score
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:limit]


def _scaled(ranking: Ranking, least: float) -> Mapping[str, float]:
    if not ranking:
        return {}
    width = (ranking[0][1] - least) or 1.0
    return {passage_id: (score - least) / width for passage_id, score in ranking}
