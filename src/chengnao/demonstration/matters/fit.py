"""Fit what merging knows: `python -m chengnao.demonstration.matters.fit`.

First the view of meaning, on the phrase banks of the made-up reports: which directions of the model's vectors tell
categories apart, and which only people (linear discriminants, with the scatter within a category held wide). Then the
weights, on pairs of reports of a made-up city, whose phrases are others. Writes `meaning.npz` and `weights.yaml` into
`chengnao.incident.merging`, and prints how well the probabilities hold in another city that was made from another
seed. The settings in the file are kept.
"""

import argparse
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import minimize

from chengnao.demonstration.matters.city import City, Told
from chengnao.demonstration.reports.generator import phrases
from chengnao.incident import merging
from chengnao.incident.classification.model import NO_MATTER
from chengnao.incident.merging.blocking import candidate_pairs
from chengnao.incident.merging.features import Evidence, Floats, Indices, meaning_view
from chengnao.incident.merging.model import FLAGS, RAMPED, Ramp, Settings, Weights
from chengnao.incident.merging.scoring import probabilities, ramp_column
from chengnao.incident.merging.words import is_chinese, matter_of
from chengnao.models.embedded.embedding import embed

TARGET = Path(merging.__file__).parent
KEPT_DIRECTIONS = 64
WIDE = 0.4
"""How much of the scatter within a category is taken to be the same in all directions."""
RAMPS: dict[str, Sequence[tuple[float, float]]] = {
    "distance": ((15, 40), (40, 100), (100, 200), (200, 400), (400, 1000)),
    "time": ((0.5, 2), (2, 6), (6, 24), (24, 72), (72, 240), (240, 720)),
    "words": ((0.15, 0.0), (0.35, 0.15), (0.7, 0.35)),
    "meaning": ((0.1, -0.1), (0.3, 0.1), (0.5, 0.3), (0.75, 0.5)),
    "unrelated": ((0.2, 0.0), (0.5, 0.2)),
}
SETTINGS = Settings(automatic=0.95, offered=0.5, metres=400, hours=720, repeat_metres=300, repeat_days=30)
LEARNT_METRES = 1000.0
"""Pairs up to here are learnt from: that beyond 400 m nothing is one matter should come out, not go in."""
_HEADER = """\
# How much each piece of evidence adds to the logarithm of the odds that two reports are about one matter, fitted by
# `python -m chengnao.demonstration.matters.fit` on made-up reports; the settings are the city's to change.
# A ramp's evidence is whole at `full` and fades to none at `none`: distance in metres and time in hours on a
# logarithmic scale, the likeness of words (0 to 1) and of meaning (about 0 for unrelated reports) straight; `unrelated`
# is the likeness of meaning where the categories are known and not of one family.
"""


def columns(evidence: Evidence, i: Indices, j: Indices) -> Floats:
    """One row a pair: 1 for the bias, the ramps in order, the flags in order."""
    meaning = evidence.meaning(i, j)
    values = {
        "distance": evidence.metres(i, j),
        "time": evidence.hours(i, j),
        "words": evidence.words(i, j),
        "meaning": meaning,
        "unrelated": np.where(evidence.unrelated(i, j), meaning, np.nan),
    }
    found = [np.ones(len(i))]
    for name in RAMPED:
        found += [
            ramp_column(Ramp(full, none, 1), values[name], logarithmic=name in ("distance", "time"))
            for full, none in RAMPS[name]
        ]
    flags = evidence.flags(i, j)
    found += [flags[name].astype(float) for name in FLAGS]
    return np.column_stack(found)


def pairs_of(told: Sequence[Told]) -> tuple[Evidence, Indices, Indices, Floats]:
    """The candidate pairs of a city, and for each whether it is one matter."""
    evidence = Evidence([each.matter for each in told])
    i, j = candidate_pairs(evidence, LEARNT_METRES, SETTINGS.hours)
    truth = np.array([each.truth for each in told])
    return evidence, i, j, (truth[i] == truth[j]).astype(float)


def fit(x: Floats, y: Floats, strength: float = 1.0) -> Floats:
    """Logistic regression whose weights keep their signs; `strength` holds them small where little is to be learnt."""
    signs = [0] + [1] * sum(len(RAMPS[name]) for name in RAMPED) + list(FLAGS.values())
    bounds = [{0: (None, None), 1: (0, None), -1: (None, 0)}[sign] for sign in signs]

    def loss(w: Floats) -> tuple[float, Floats]:
        odds = x @ w
        held = w[1:]
        value = float(np.sum(np.logaddexp(0, odds) - y * odds) + strength * held @ held / 2)
        slope = x.T @ (1 / (1 + np.exp(-odds)) - y)
        slope[1:] += strength * held
        return value, slope

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    result: Floats = found.x
    return result


def weights_of(found: Floats, settings: Settings) -> dict[str, Any]:
    """The data of the weights file."""
    rounded = [round(float(each), 3) + 0.0 for each in found]
    place = iter(rounded[1:])
    ramps = {
        name: [{"full": full, "none": none, "weight": next(place)} for full, none in RAMPS[name]] for name in RAMPED
    }
    return {
        "settings": dict(settings.__dict__),
        "bias": rounded[0],
        "ramps": ramps,
        "flags": {name: next(place) for name in FLAGS},
    }


def fit_meaning(told: Sequence[Told]) -> None:
    """Write the view of meaning: what all reports of a language share, and the directions that matter."""
    chance = random.Random(0)  # noqa: S311 - the same choice of phrases each time
    by_category = {
        code: sorted({matter_of(_spoken(phrase, chance)) for phrase in found for _ in range(3)} - {""})
        for code, found in phrases().items()
        if code != NO_MATTER
    }
    rows = {code: embed(texts) for code, texts in by_category.items()}
    chinese = np.concatenate(list(rows.values())).mean(axis=0)
    english = sorted({matter_of(each.matter.text) for each in told} - {""})
    centres = np.stack([chinese, embed([text for text in english if not is_chinese(text)]).mean(axis=0)])
    means = np.stack([found.mean(axis=0) - chinese for found in rows.values()])
    within = np.concatenate([found - found.mean(axis=0) for found in rows.values()])
    scatter = within.T @ within / len(within)
    even = np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    lengths, axes = np.linalg.eigh((1 - WIDE) * scatter + WIDE * even)
    whiten = axes @ np.diag(lengths**-0.5) @ axes.T
    _, between = np.linalg.eigh(whiten @ (means.T @ means / len(means)) @ whiten)
    view = whiten @ between[:, -KEPT_DIRECTIONS:]
    np.savez(TARGET / "meaning.npz", centres=centres.astype(np.float32), view=view.astype(np.float32))
    meaning_view.cache_clear()


def _spoken(phrase: str, chance: random.Random) -> str:
    """One of the ways in which a phrase of the banks is said."""
    return re.sub(r"\(([^()]*\|[^()]*)\)", lambda match: chance.choice(match[1].split("|")), phrase)


def report(y: Floats, p: Floats) -> None:
    """How the probabilities hold: by band, and at the two thresholds."""
    print(f"pairs {len(y):,}, of one matter {int(y.sum()):,}; Brier {np.mean((p - y) ** 2):.4f}")
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        band = (p >= low) & (p < high)
        if band.any():
            print(
                f"  said {low:.2f}-{min(high, 1):.2f}: {p[band].mean():.3f}, true {y[band].mean():.3f} ({band.sum():,})"
            )
    for bar in (0.5, 0.95):
        hit = p >= bar
        print(f"  at {bar}: precision {y[hit].mean():.3f}, recall {y[hit].sum() / y.sum():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matters", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    target = TARGET / "weights.yaml"
    settings = Settings(**yaml.safe_load(target.read_text("utf-8"))["settings"]) if target.exists() else SETTINGS
    told = City(options.seed).reports(options.matters)
    fit_meaning(told)
    evidence, i, j, y = pairs_of(told)
    data = weights_of(fit(columns(evidence, i, j), y), settings)
    target.write_text(
        _HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None), "utf-8"
    )
    evidence, i, j, y = pairs_of(City(options.seed + 1).reports(options.matters))
    report(y, probabilities(evidence, i, j, Weights.from_data(data)))


if __name__ == "__main__":
    main()
