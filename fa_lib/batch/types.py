"""Values of parameters, from a command line or YAML, as the notebook's annotations say."""

from __future__ import annotations

import ast
import math
from typing import Any


def as_type(value: Any, kind: ast.expr, what: str) -> Any:
    """`value`, from a command line or YAML, as the annotation says; raises TypeError.

    Known are str, int, float, bool, None, unions of these, and lists and tuples of one type;
    what is annotated otherwise is taken as a Python literal, or else as it is.
    """
    try:
        return _convert(value, kind)
    except (TypeError, ValueError):
        words = ast.unparse(kind)
        raise TypeError(f"{what} must be {words}, got {value!r}.") from None


def _convert(value: Any, kind: ast.expr) -> Any:
    match kind:
        case ast.Name("str") if isinstance(value, str):
            return value
        case ast.Name("bool"):
            return {"true": True, "false": False}[_word(value, bool)]
        case ast.Name("int") if type(value) in (int, str):
            return int(value)
        case ast.Name("float") if type(value) in (int, float, str):
            return _finite(float(value))
        case ast.Constant(None) if value in (None, "None", "null"):
            return None
        case ast.Constant(str(text)):  # an annotation in quotes
            return _convert(value, ast.parse(text, mode="eval").body)
        case ast.BinOp(left, ast.BitOr(), right):
            return _first(value, [left, right])
        case ast.Subscript(ast.Name("Optional"), inner):
            return _first(value, [inner, ast.Constant(None)])
        case ast.Subscript(ast.Name("list" | "tuple" | "List" | "Tuple"), inner):
            items = _literal(value)
            if not isinstance(items, (list, tuple)):
                raise TypeError
            inner = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            return [_convert(item, inner) for item in items]
        case ast.Name("str" | "int" | "float") | ast.Constant(None):
            raise TypeError
        case _:
            return _literal(value)


def _first(value: Any, kinds: list[ast.expr]) -> Any:
    """The first type that fits; text comes last, since every text is one."""
    for kind in sorted(kinds, key=lambda kind: ast.unparse(kind) == "str"):
        try:
            return _convert(value, kind)
        except (TypeError, ValueError):
            continue
    raise TypeError


def _word(value: Any, kind: type) -> str:
    word = str(value).lower()
    if not isinstance(value, (kind, str)) or word not in ("true", "false"):
        raise TypeError
    return word


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
