"""What must not be read without need is kept sealed: AES-256-GCM, bound to the record it belongs to.

A sealed value is `1 | name of the key, 4 bytes | nonce, 12 bytes | ciphertext and tag`. The keys stand in
`secrets.json`; without its key a sealed value is lost for good.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.settings import load_secrets

_FORM = b"\x01"
_NAME, _NONCE = 4, 12


class SealBroken(ChengnaoError):
    """A sealed value that cannot be opened: its key is gone, it was altered, or it belongs to another record."""

    status = 500


class Vault:
    """Seals and opens values with the keys of one data folder."""

    def __init__(self, keys: dict[str, str], read_again: Callable[[], dict[str, str]] = dict) -> None:
        """`keys` by name, as hex; the last of them seals. `read_again` gives them anew when one is not known."""
        self._read_again = read_again
        self._take(keys)
        self._current = list(self._keys)[-1]

    @classmethod
    def of(cls, home: Path) -> "Vault":
        """The vault of the data folder, one in a process; its keys are made at the first call."""
        return _vault(home)

    def _take(self, keys: dict[str, str]) -> None:
        self._keys = {bytes.fromhex(name): AESGCM(bytes.fromhex(key)) for name, key in keys.items()}

    def seal(self, record: str, value: str) -> bytes:
        """The value sealed for the record of this id: no other record can open it."""
        return self.seal_bytes(record, value.encode())

    def open(self, record: str, sealed: bytes) -> str:
        """The value that was sealed for the record; raises SealBroken."""
        return self.open_bytes(record, sealed).decode()

    def seal_bytes(self, record: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return _FORM + self._current + nonce + self._keys[self._current].encrypt(nonce, value, record.encode())

    def open_bytes(self, record: str, sealed: bytes) -> bytes:
        if _name(sealed) not in self._keys and (keys := self._read_again()):
            self._take(keys)  # another process has sealed with a key that is newer than this one
        key = self._keys.get(_name(sealed))
        if sealed[:1] != _FORM or key is None:
            raise SealBroken("seal_key_unknown", key=_name(sealed).hex(), record=record)
        body = sealed[1 + _NAME :]
        try:
            return key.decrypt(body[:_NONCE], body[_NONCE:], record.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("seal_broken", record=record) from error

    def current(self, sealed: bytes) -> bool:
        """Whether the value is sealed with the key that seals now."""
        return _name(sealed) == self._current

    def reseal(self, record: str, sealed: bytes) -> bytes:
        """The same value sealed with the key that seals now; raises SealBroken."""
        return sealed if self.current(sealed) else self.seal_bytes(record, self.open_bytes(record, sealed))


def _name(sealed: bytes) -> bytes:
    return sealed[1 : 1 + _NAME]


@lru_cache(maxsize=4)
def _vault(home: Path) -> Vault:
    return Vault(load_secrets(home).vault_keys, lambda: load_secrets(home).vault_keys)
