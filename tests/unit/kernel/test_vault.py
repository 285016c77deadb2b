import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.privacy.vault import SealBroken, Vault
from chengnao.kernel.settings import add_vault_key, load_secrets

OLD_KEYS = {"00000001": "11" * 32}
NEW_KEYS = OLD_KEYS | {"00000002": "22" * 32}
OLD_FILE = {
    "nats_user": "chengnao",
    "nats_password": "a",
    "mqtt_password": "b",
    "store_user": "chengnao",
    "store_password": "c",
    "model_key": "d",
}


@given(st.text(), st.text(min_size=1))
def test_what_is_sealed_opens_again_for_its_record_and_no_other(value: str, record: str) -> None:
    vault = Vault(OLD_KEYS)
    sealed = vault.seal(record, value)
    assert vault.open(record, sealed) == value
    with pytest.raises(SealBroken) as refused:
        vault.open(record + "x", sealed)
    assert refused.value.code == "seal_broken"


def test_the_sealed_bytes_show_nothing_and_differ_each_time() -> None:
    vault = Vault(OLD_KEYS)
    one, other = vault.seal("r", "13800138000"), vault.seal("r", "13800138000")
    assert one != other
    assert b"138" not in one


@given(st.integers(min_value=0))
def test_one_changed_bit_is_noticed(at: int) -> None:
    vault = Vault(OLD_KEYS)
    sealed = bytearray(vault.seal("r", "张三 13800138000"))
    sealed[at // 8 % len(sealed)] ^= 1 << at % 8
    with pytest.raises(SealBroken):
        vault.open("r", bytes(sealed))


def test_a_new_key_opens_what_the_old_one_sealed_and_seals_it_again() -> None:
    sealed = Vault(OLD_KEYS).seal("r", "张三")
    vault = Vault(NEW_KEYS)
    assert vault.open("r", sealed) == "张三"
    assert not vault.current(sealed)
    again = vault.reseal("r", sealed)
    assert vault.current(again)
    assert vault.reseal("r", again) is again
    with pytest.raises(SealBroken) as refused:
        Vault(OLD_KEYS).open("r", again)
    assert (refused.value.code, refused.value.params["key"]) == ("seal_key_unknown", "00000002")


@pytest.mark.parametrize("cut", [b"", b"\x01", b"\x01\x00\x00\x00\x01", b"\x02\x00\x00\x00\x01" + bytes(40)])
def test_what_was_never_sealed_is_refused(cut: bytes) -> None:
    with pytest.raises(SealBroken):
        Vault(OLD_KEYS).open("r", cut)


def test_an_older_file_of_secrets_gets_a_key_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(OLD_FILE))
    vault = Vault.of(tmp_path)
    kept = json.loads(file.read_text())
    assert {name: kept[name] for name in OLD_FILE} == OLD_FILE
    assert kept.keys() - OLD_FILE.keys() == {"vault_keys"}
    assert file.stat().st_mode & 0o077 == 0
    assert load_secrets(tmp_path).vault_keys == kept["vault_keys"]
    assert Vault(kept["vault_keys"]).open("r", vault.seal("r", "x")) == "x"


def test_many_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_secrets(tmp_path), range(40)))
    assert len({json.dumps(each.vault_keys) for each in found}) == 1


def test_rotation_adds_a_key_and_keeps_the_old_one(tmp_path: Path) -> None:
    sealed = Vault.of(tmp_path).seal("r", "x")
    before = load_secrets(tmp_path)
    after = add_vault_key(tmp_path)
    assert after == load_secrets(tmp_path)
    assert list(after.vault_keys)[:-1] == list(before.vault_keys)
    assert after.nats_password == before.nats_password
    rotated = Vault(after.vault_keys)
    assert rotated.open("r", sealed) == "x"
    assert not rotated.current(sealed)
    assert Vault.of(tmp_path).open("r", rotated.reseal("r", sealed)) == "x", "a process that runs learns of the key"
