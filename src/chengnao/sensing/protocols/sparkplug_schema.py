"""The messages of Sparkplug B, built from their public field numbers; no generated code is needed.

Texts are declared as bytes: on the wire they are the same, and one that is no UTF-8 does not make the rest unreadable.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPE = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "u32": _TYPE.TYPE_UINT32,
    "u64": _TYPE.TYPE_UINT64,
    "float": _TYPE.TYPE_FLOAT,
    "double": _TYPE.TYPE_DOUBLE,
    "bool": _TYPE.TYPE_BOOL,
    "bytes": _TYPE.TYPE_BYTES,
}
_PACKAGE = "chengnao.sparkplug"

# name, number, kind (a message where it is none of the above), "*" repeated, "?" one of the values
_Field = tuple[str, int, str, str]


def _values(first: int, *messages: tuple[str, str]) -> list[_Field]:
    """The six plain values that a value may be, from this number on, and the messages that follow them."""
    plain = ("int_value", "u32"), ("long_value", "u64"), ("float_value", "float"), ("double_value", "double")
    others = ("boolean_value", "bool"), ("string_value", "bytes")
    return [(name, first + place, kind, "?") for place, (name, kind) in enumerate((*plain, *others, *messages))]


_MESSAGES: dict[str, list[_Field]] = {
    "Payload": [
        ("timestamp", 1, "u64", ""),
        ("metrics", 2, "Metric", "*"),
        ("seq", 3, "u64", ""),
        ("uuid", 4, "bytes", ""),
        ("body", 5, "bytes", ""),
    ],
    "Metric": [
        ("name", 1, "bytes", ""),
        ("alias", 2, "u64", ""),
        ("timestamp", 3, "u64", ""),
        ("datatype", 4, "u32", ""),
        ("is_historical", 5, "bool", ""),
        ("is_transient", 6, "bool", ""),
        ("is_null", 7, "bool", ""),
        ("properties", 9, "PropertySet", ""),
        *_values(10, ("bytes_value", "bytes"), ("dataset_value", "DataSet"), ("template_value", "Template")),
    ],
    "PropertySet": [("keys", 1, "bytes", "*"), ("values", 2, "PropertyValue", "*")],
    "PropertyValue": [("type", 1, "u32", ""), ("is_null", 2, "bool", ""), *_values(3)],
    "DataSet": [
        ("num_of_columns", 1, "u64", ""),
        ("columns", 2, "bytes", "*"),
        ("types", 3, "u32", "*"),
        ("rows", 4, "Row", "*"),
    ],
    "Row": [("elements", 1, "Element", "*")],
    "Element": _values(1),
    "Template": [
        ("version", 1, "bytes", ""),
        ("metrics", 2, "Metric", "*"),
        ("parameters", 3, "Parameter", "*"),
        ("template_ref", 4, "bytes", ""),
        ("is_definition", 5, "bool", ""),
    ],
    "Parameter": [("name", 1, "bytes", ""), ("type", 2, "u32", ""), *_values(3)],
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="chengnao/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        _describe(file.message_type.add(name=name), fields)
    return file


def _describe(message: descriptor_pb2.DescriptorProto, fields: Iterable[_Field]) -> None:
    if any(mark == "?" for *_, mark in fields):
        message.oneof_decl.add(name="value")
    for name, number, kind, mark in fields:
        label = _TYPE.LABEL_REPEATED if mark == "*" else _TYPE.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, label=label)
        if kind in _KINDS:
            field.type = _KINDS[kind]
        else:
            field.type, field.type_name = _TYPE.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        if mark == "?":
            field.oneof_index = 0


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

Payload: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
