"""Sums by code: a small language of numbers, so that no model has to reckon. Pure."""

import ast
import operator
from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from math import isfinite

from chengnao.kernel.errors import Invalid

LONGEST = 200
_LARGEST_POWER = 64
_TWO: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "sum": lambda *numbers: sum(numbers, Decimal()),
    "mean": lambda *numbers: sum(numbers, Decimal()) / len(numbers),
    "min": min,
    "max": max,
    "abs": abs,
    "round": lambda number, digits=Decimal(): round(number, int(digits)),
}
_PLAIN = str.maketrans("×÷（），＋－＊／０１２３４５６７８９．％", "*/(),+-*/0123456789.%")


def calculate(expression: str) -> Decimal:
    """The value of `3.5 * (12000 - 800) / 12`, `sum(1, 2, 3)`, `15%` and the like, in decimal and not in binary.

    Raises Invalid for everything that is no sum, and for what cannot be reckoned.
    """
    text = expression.translate(_PLAIN).strip()
    if not text or len(text) > LONGEST:
        raise _wrong(expression, f"应为 1 至 {LONGEST} 个字符", f"it must have 1 to {LONGEST} characters")
    try:
        tree = ast.parse(_percent(text), mode="eval")
        with localcontext() as context:
            context.prec = 28
            context.traps[Overflow] = True
            return +_value(tree.body)
    except (DivisionByZero, ZeroDivisionError) as error:
        raise _wrong(expression, "除数为零", "it divides by zero") from error
    except (SyntaxError, ValueError, TypeError, InvalidOperation, Overflow, RecursionError, MemoryError) as error:
        raise _wrong(expression, "不是可以计算的算式", "it is no sum that can be reckoned") from error


def _percent(text: str) -> str:
    """`15%` as `(15/100)`, where no number follows: `7 % 2` stays the remainder."""
    parts = text.split("%")
    found = parts[0]
    for part in parts[1:]:
        rest = part.lstrip()
        remainder = rest[:1].isdigit() or rest[:1] == "("
        found += f"%{part}" if remainder else f"/100{part}"
    return found


def _value(node: ast.AST) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not isfinite(number):
                raise ValueError("too large")
            return Decimal(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            power = _value(right)
            if abs(power) > _LARGEST_POWER:
                raise ValueError("power")
            return Decimal(_value(left) ** power)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _TWO:
            return _TWO[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
            return Decimal(_FUNCTIONS[name](*map(_value, arguments)))
    raise ValueError("no sum")


def shown(number: Decimal) -> str:
    """The number as people write it: no exponent, no zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _wrong(expression: str, zh: str, en: str) -> Invalid:
    return Invalid("invalid_value", field="expression", value=expression[:60], reason_zh=zh, reason_en=en)
