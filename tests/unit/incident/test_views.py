import pytest

from chengnao.incident.views import masked


@pytest.mark.parametrize(
    ("phone", "expected"),
    [("13812345678", "138*****678"), ("12345", "1***5"), (None, None), ("", "")],
)
def test_the_middle_of_a_number_is_hidden(phone: str | None, expected: str | None) -> None:
    assert masked(phone) == expected
