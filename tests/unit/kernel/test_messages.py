import ast
import string
from pathlib import Path

import chengnao
from chengnao.kernel.errors import Invalid, TooMany
from chengnao.kernel.messages import message, message_table

RAISED = {"Invalid", "NotFound", "Conflict", "Forbidden", "Unauthenticated", "TooMany", "Unavailable", "ChengnaoError"}


def test_both_languages_fill_the_same_gaps() -> None:
    def gaps(text: str) -> set[str]:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        return {name.removesuffix("_zh").removesuffix("_en") for name in names}

    for code, texts in message_table().items():
        assert gaps(texts["zh"]) == gaps(texts["en"]), code


def test_every_code_that_is_raised_has_a_text() -> None:
    missing = []
    for path in Path(next(iter(chengnao.__path__))).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in RAISED:
                continue
            code = node.args[0] if node.args else None
            if isinstance(code, ast.Constant) and str(code.value) not in message_table():
                missing.append(f"{path.name}:{node.lineno} {code.value!s}")
    assert missing == []


def test_an_error_shows_both_texts_and_plain_parameters() -> None:
    shown = Invalid("place_invalid", field="lon", value=200.0).to_dict()
    assert shown["code"] == "place_invalid"
    assert "200.0" in shown["message"]
    assert "longitude" in shown["message_en"]
    assert shown["params"] == {"field": "lon", "value": 200.0}


def test_a_text_with_a_missing_parameter_is_still_a_text() -> None:
    assert "?" in message("place_invalid", "en")


def test_an_unknown_code_is_shown_rather_than_hidden() -> None:
    assert message("no_such_code", "en", a=1) == "no_such_code (a=1)"


def test_waiting_time_is_part_of_the_error() -> None:
    assert TooMany("sign_in_locked", retry_after=7).params["retry_after"] == 7
