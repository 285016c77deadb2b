"""What the engine raises becomes ClickHouse's own error."""

import pytest

from chengnao.sensing.store.errors import StoreError


@pytest.mark.parametrize(
    ("raised", "code", "text", "status"),
    [
        ("Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)", 60, "Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)", 404),
        (
            "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'foo'. (UNKNOWN_SETTING) "
            "(version 26.5.1.1). (UNKNOWN_SETTING)",
            115,
            "Code: 115. DB::Exception: Unknown setting 'foo'. (UNKNOWN_SETTING)",
            404,
        ),
        (
            "Code: 62. DB::Exception: Syntax error (SYNTAX_ERROR)",
            62,
            "Code: 62. DB::Exception: Syntax error (SYNTAX_ERROR)",
            400,
        ),
        ("Code: 395. DB::Exception: thrown. (X)", 395, "Code: 395. DB::Exception: thrown. (X)", 500),
        ("it broke", 1002, "Code: 1002. DB::Exception: RuntimeError: it broke (UNKNOWN_EXCEPTION)", 500),
    ],
)
def test_error_has_code_text_and_status(raised: str, code: int, text: str, status: int) -> None:
    error = StoreError.of(RuntimeError(raised))
    assert (error.code, error.text, error.status) == (code, text, status)
