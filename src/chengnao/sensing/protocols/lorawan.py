"""LoRaWAN 1.0 and 1.1: the head of a PHYPayload as it goes over the air.

The payload stays encrypted: only the network server has the keys, and the platform takes its JSON
(`lorawan_uplink`). What a JSON text holds is decoded here as well, so that recordings of either kind can be read.
"""

from dataclasses import dataclass
from typing import Any

from chengnao.sensing.protocols.lorawan_uplink import Uplink, read_uplink
from chengnao.sensing.protocols.shape import Refusal, Wire
from chengnao.sensing.protocols.whole import WholeFramer

MTYPES = (
    "JoinRequest",
    "JoinAccept",
    "UnconfirmedUp",
    "UnconfirmedDown",
    "ConfirmedUp",
    "ConfirmedDown",
    "RejoinRequest",
    "Proprietary",
)
_MIC = 4
_DATA_LEAST = 12  # MHDR, DevAddr, FCtrl, FCnt, MIC
_REJOIN = {0: 19, 1: 24, 2: 19}


@dataclass(frozen=True, slots=True)
class PhyPayload:
    """One frame of the air. Addresses and EUIs are written as people write them, most significant byte first."""

    raw: bytes
    mtype: str
    values: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        return {"mtype": self.mtype, **self.values}


def decode(raw: bytes) -> PhyPayload | Uplink | Refusal:
    """Read one PHYPayload, or the JSON of a network server; what is wrong is a value, never raised."""
    if raw[:1] == b"{":  # as a PHYPayload: a major version that there is not
        return read_uplink(raw)
    if not raw:
        return Refusal("truncated", raw, {"need_bytes": _DATA_LEAST})
    mtype = MTYPES[raw[0] >> 5]
    if mtype == "Proprietary":
        return PhyPayload(raw, mtype, {"payload": raw[1:].hex()})
    if raw[0] & 3:
        return Refusal("bad_header", raw, {"field": "major", "value": raw[0] & 3})
    warnings = ("reserved_bits",) if raw[0] & 0x1C else ()
    if mtype == "JoinRequest":
        return _join_request(raw, warnings)
    if mtype == "JoinAccept":
        return _join_accept(raw, warnings)
    return _rejoin(raw, warnings) if mtype == "RejoinRequest" else _data(raw, mtype, warnings)


def _data(raw: bytes, mtype: str, warnings: tuple[str, ...]) -> PhyPayload | Refusal:
    options = raw[5] & 15 if len(raw) > 5 else 0
    least = _DATA_LEAST + options
    if len(raw) < least:
        return Refusal("truncated", raw, {"need_bytes": least - len(raw)})
    start = 8 + options
    body = raw[start:-_MIC]
    values = {
        "dev_addr": raw[1:5][::-1].hex(),
        "fctrl": raw[5:6].hex(),
        "fcnt": int.from_bytes(raw[6:8], "little"),
        "fopts": raw[8:start].hex(),
        "mic": raw[-_MIC:].hex(),
        "fport": body[0] if body else None,
        "frm_payload": body[1:].hex(),
    }
    return PhyPayload(raw, mtype, values, warnings)


def _join_request(raw: bytes, warnings: tuple[str, ...]) -> PhyPayload | Refusal:
    wrong = _wrong_length(raw, (23,))
    if wrong is not None:
        return wrong
    values = {
        "join_eui": raw[1:9][::-1].hex(),
        "dev_eui": raw[9:17][::-1].hex(),
        "dev_nonce": raw[17:19][::-1].hex(),
        "mic": raw[-_MIC:].hex(),
    }
    return PhyPayload(raw, "JoinRequest", values, warnings)


def _join_accept(raw: bytes, warnings: tuple[str, ...]) -> PhyPayload | Refusal:
    """All but the first byte is encrypted; with the list of channels it is 16 bytes longer."""
    wrong = _wrong_length(raw, (17, 33))
    if wrong is not None:
        return wrong
    return PhyPayload(raw, "JoinAccept", {"encrypted": True, "mic_or_cipher_bytes": len(raw) - 1}, warnings)


def _rejoin(raw: bytes, warnings: tuple[str, ...]) -> PhyPayload | Refusal:
    if len(raw) < 2:
        return Refusal("truncated", raw, {"need_bytes": 19 - len(raw)})
    kind = raw[1]
    if kind not in _REJOIN:
        return Refusal("bad_field", raw, {"field": "rejoin_type", "value": kind})
    wrong = _wrong_length(raw, (_REJOIN[kind],))
    if wrong is not None:
        return wrong
    values: dict[str, Any] = {"rejoin_type": kind}
    if kind == 1:
        values |= {"join_eui": raw[2:10][::-1].hex(), "dev_eui": raw[10:18][::-1].hex()}
    else:
        values |= {"net_id": raw[2:5][::-1].hex(), "dev_eui": raw[5:13][::-1].hex()}
    values |= {"rj_count": int.from_bytes(raw[-6:-4], "little"), "mic": raw[-_MIC:].hex()}
    return PhyPayload(raw, "RejoinRequest", values, warnings)


def _wrong_length(raw: bytes, allowed: tuple[int, ...]) -> Refusal | None:
    if len(raw) in allowed:
        return None
    missing = min((size - len(raw) for size in allowed if size > len(raw)), default=None)
    if missing is None:
        return Refusal("length_mismatch", raw, {"declared": allowed[-1], "actual": len(raw)})
    return Refusal("truncated", raw, {"need_bytes": missing})


WIRE: Wire[PhyPayload | Uplink] = Wire(
    "lorawan", "LoRaWAN（PHYPayload 与网络服务器 JSON）", "LoRaWAN (PHYPayload, JSON of network servers)",
    lambda: WholeFramer[PhyPayload | Uplink](decode), lambda frames: {},
)  # fmt: skip
