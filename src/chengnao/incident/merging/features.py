"""The evidence between many matters at once, as columns of numbers."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import as_file, files
from math import nan

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from chengnao.incident.catalogue import categories
from chengnao.incident.merging.model import Matter
from chengnao.incident.merging.words import NGRAM_BINS, Named, is_chinese, matter_of, named_places, ngrams, tidy
from chengnao.models.embedded.embedding import embed

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
_METRES_A_DEGREE = 111_195.0
_NAMES = 4
"""So many named places of one text are compared."""
_NO_CATEGORY = frozenset({"", "other", "其他", "unknown", "n/a"})


class Evidence:
    """Matters made ready for comparison; `i` and `j` in the methods are rows of pairs, and order does not matter."""

    def __init__(self, matters: Sequence[Matter]) -> None:
        self.matters = matters
        self.lon = np.array([each.place.lon if each.place else nan for each in matters])
        self.lat = np.array([each.place.lat if each.place else nan for each in matters])
        self.seconds = np.array([each.at.timestamp() if each.at else nan for each in matters])
        self.closed = np.array([each.closed_at.timestamp() if each.closed_at else nan for each in matters])
        self.said = [matter_of(each.text) for each in matters]
        self.named: list[Named] = [named_places(each.text, each.address) for each in matters]
        self.category = _numbered(_leaf(each.category) for each in matters)
        self.family = _numbered(_family(each.category) for each in matters)
        self.source = _numbered(each.source for each in matters)
        self.names, self.numbers = self._name_columns()
        self.grams = _gram_rows(self.said)
        self.has_text = np.array([bool(said) for said in self.said], dtype=bool)
        self._text = _numbered(said or None for said in self.said)
        self._texts = list(dict.fromkeys(said for said in self.said if said))
        self._meaning = np.zeros((len(self._texts), meaning_view()[1].shape[1]), dtype=np.float32)
        self._embedded = np.zeros(len(self._texts), dtype=bool)

    def metres(self, i: Indices, j: Indices) -> Floats:
        """The distance on the ground, good to 1 in 1,000 within a city; nan where a place is missing."""
        north = (self.lat[i] - self.lat[j]) * _METRES_A_DEGREE
        east = (self.lon[i] - self.lon[j]) * _METRES_A_DEGREE * np.cos(np.radians((self.lat[i] + self.lat[j]) / 2))
        found: Floats = np.hypot(north, east)
        return found

    def hours(self, i: Indices, j: Indices) -> Floats:
        found: Floats = np.abs(self.seconds[i] - self.seconds[j]) / 3600
        return found

    def words(self, i: Indices, j: Indices) -> Floats:
        """The likeness of what is said by characters and words, 0 to 1; nan where a text is missing."""
        found: Floats = np.asarray(self.grams[i].multiply(self.grams[j]).sum(axis=1), dtype=float).ravel()
        return np.where(self.has_text[i] & self.has_text[j], np.minimum(found, 1), nan)

    def meaning(self, i: Indices, j: Indices) -> Floats:
        """The likeness of what is meant, about 0 for unrelated reports, at most 1; nan where a text is missing."""
        one, other = self._text[i], self._text[j]
        both = (one >= 0) & (other >= 0)
        self._embed(np.union1d(one[both], other[both]))
        found = np.full(len(i), nan)
        found[both] = np.einsum("ij,ij->i", self._meaning[one[both]], self._meaning[other[both]])
        return found

    def unrelated(self, i: Indices, j: Indices) -> NDArray[np.bool_]:
        """Whether both categories are known and not of one family."""
        flags = self.category_flags(i, j)
        return ~flags["category_near"] & ~flags["category_unknown"]

    def category_flags(self, i: Indices, j: Indices) -> dict[str, NDArray[np.bool_]]:
        known = (self.category[i] >= 0) & (self.category[j] >= 0)
        same = known & (self.category[i] == self.category[j])
        near = same | (known & (self.family[i] >= 0) & (self.family[i] == self.family[j]))
        return {"category_near": near, "category_same": same, "category_unknown": ~known}

    def flags(self, i: Indices, j: Indices) -> dict[str, NDArray[np.bool_]]:
        """What is there or not, by its name in the weights."""
        name_same, name_other, number_same, number_other = self._compare_names(i, j)
        with np.errstate(invalid="ignore"):
            over = (self.closed[i] <= self.seconds[j]) | (self.closed[j] <= self.seconds[i])
        return {
            "place_by_name": name_same & (np.isnan(self.lon[i]) | np.isnan(self.lon[j])),
            "time_unknown": np.isnan(self.seconds[i]) | np.isnan(self.seconds[j]),
            "text_unknown": ~(self.has_text[i] & self.has_text[j]),
            **self.category_flags(i, j),
            "name_same": name_same,
            "name_other": name_other,
            "number_same": number_same,
            "number_other": number_other,
            "source_same": (self.source[i] >= 0) & (self.source[i] == self.source[j]),
            "after_close": over,
        }

    def _compare_names(self, i: Indices, j: Indices) -> tuple[NDArray[np.bool_], ...]:
        shape = len(i)
        same, number_same, number_both = (np.zeros(shape, dtype=bool) for _ in range(3))
        for one in range(_NAMES):
            for other in range(_NAMES):
                match = (self.names[i, one] >= 0) & (self.names[i, one] == self.names[j, other])
                both = match & (self.numbers[i, one] >= 0) & (self.numbers[j, other] >= 0)
                same |= match
                number_both |= both
                number_same |= both & (self.numbers[i, one] == self.numbers[j, other])
        other_name = (self.names[i, 0] >= 0) & (self.names[j, 0] >= 0) & ~same
        return same, other_name, number_same, number_both & ~number_same

    def _name_columns(self) -> tuple[Indices, Indices]:
        ids: dict[str, int] = {}
        names = np.full((len(self.named), _NAMES), -1, dtype=np.int64)
        numbers = names.copy()
        for row, named in enumerate(self.named):
            for column, key in enumerate(list(named.names)[:_NAMES]):
                names[row, column] = ids.setdefault(key, len(ids))
                if key in named.numbers:
                    number = "/".join(sorted(named.numbers[key]))
                    numbers[row, column] = ids.setdefault(f"#{number}", len(ids))
        return names, numbers

    def _embed(self, wanted: Indices) -> None:
        """Embed what is not yet: each text once, however many said it."""
        wanted = wanted[~self._embedded[wanted]]
        self._meaning[wanted] = meanings([self._texts[number] for number in wanted])
        self._embedded[wanted] = True


def meanings(texts: Sequence[str]) -> NDArray[np.float32]:
    """Meanings as rows of length 1, seen in the directions that tell matters apart: unrelated ones are about 0."""
    centres, view = meaning_view()
    rows = (embed(texts) - centres[[0 if is_chinese(text) else 1 for text in texts]]) @ view
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return np.asarray(rows / lengths, dtype=np.float32)


@cache
def meaning_view() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean meaning of Chinese and of English reports, and the directions; fitted with the weights."""
    with as_file(files("chengnao.incident.merging") / "meaning.npz") as path, np.load(path) as loaded:
        return loaded["centres"], loaded["view"]


def _numbered(values: Iterable[str | None]) -> Indices:
    """Equal values as equal numbers; -1 for none."""
    ids: dict[str, int] = {}
    return np.array([-1 if value is None else ids.setdefault(value, len(ids)) for value in values], dtype=np.int64)


def _gram_rows(said: Sequence[str]) -> csr_matrix:
    """One row of length 1 for each text."""
    pointers, columns, values = [0], list[int](), list[float]()
    for text in said:
        grams = ngrams(text)
        length = sum(weight * weight for weight in grams.values()) ** 0.5
        columns += grams.keys()
        values += [weight / length for weight in grams.values()]
        pointers.append(len(columns))
    return csr_matrix((values, columns, pointers), shape=(len(said), NGRAM_BINS))


def _leaf(category: str | None) -> str | None:
    name = tidy(category or "")
    return None if name in _NO_CATEGORY else _known().get(name, (name, ""))[0]


def _family(category: str | None) -> str | None:
    """The large class of a known category; of an unknown one what stands before ` - `."""
    name = tidy(category or "")
    if name in _NO_CATEGORY:
        return None
    return _known()[name][1] if name in _known() else name.split(" - ")[0].strip()


@cache
def _known() -> dict[str, tuple[str, str]]:
    """Code and large class of each category, by its code and by its names."""
    return {
        tidy(name): (each.code, each.source)
        for each in categories().values()
        for name in (each.code, each.name, each.name_en)
    }
