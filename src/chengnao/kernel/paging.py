"""Pages of long lists: every list is paged and searched on the server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted; pages count from 1."""

    page: int = 1
    size: int = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list, and how long the whole is."""

    items: list[T]
    total: int
    page: int
    size: int

    def map(self, convert: Callable[[T], U]) -> "Page[U]":
        """The same part with each item converted."""
        return Page([convert(item) for item in self.items], self.total, self.page, self.size)
