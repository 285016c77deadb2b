"""JT/T 808: what a terminal can be told and asked, as the bodies of the platform's messages."""

from collections.abc import Mapping
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.jt808 import MAX_BODY
from chengnao.sensing.protocols.shape import Command

_COMMANDS = {
    "set_parameters": bodies.SET_PARAMETERS,
    "query_parameters": bodies.QUERY_PARAMETERS,
    "query_attributes": bodies.QUERY_ATTRIBUTES,
    "query_position": bodies.QUERY_LOCATION,
    "text": bodies.TEXT,
}


def command_body(command: Command, version: str) -> tuple[int, bytes]:
    """The message's id and body; raises Invalid for a command or an argument that there is not."""
    msg_id = _COMMANDS.get(command.name)
    if msg_id is None:
        raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(_COMMANDS))
    return msg_id, _body(msg_id, command.arguments, version)


def _body(msg_id: int, arguments: Mapping[str, Any], version: str) -> bytes:
    if msg_id == bodies.SET_PARAMETERS:
        wanted = arguments.get("parameters")
        return bodies.write_parameters(wanted if isinstance(wanted, Mapping) else {})
    if msg_id != bodies.TEXT:
        return b""
    urgent = arguments.get("urgent") is True
    # 2019 has two bits for the grade (1 service, 2 urgent) and a byte for the kind (1 notice); bits 2 and 3: show, say.
    head = bytes([(2 if urgent else 1) | 0x0C, 1]) if version == "2019" else bytes([(1 if urgent else 0) | 0x0C])
    words = arguments.get("text")
    if isinstance(words, str) and words.strip():
        try:
            told = words.encode("gbk")
        except UnicodeEncodeError:
            told = b""
        if 0 < len(told) <= MAX_BODY - len(head):
            return head + told
    raise Invalid(
        "invalid_value",
        field="text",
        value=words if isinstance(words, str) else "",
        reason_zh=f"应为 1 至 {MAX_BODY - len(head)} 字节（GBK）的文本",
        reason_en=f"a text of 1 to {MAX_BODY - len(head)} bytes in GBK is wanted",
    )
