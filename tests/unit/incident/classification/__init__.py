from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chengnao.kernel.errors import ChengnaoError


@contextmanager
def refused(code: str) -> Iterator[None]:
    """The block raises an error of that code, with texts in both languages."""
    with pytest.raises(ChengnaoError) as raised:
        yield
    assert raised.value.code == code
    assert raised.value.text("zh") != raised.value.text("en")
