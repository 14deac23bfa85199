"""Axon as far as hsframe writes it itself: what a server with Axon makes of such an expression.

By the grammar of the language: definitions, assignment, lambdas, blocks, if, return, calls, indexes, lists and dicts.
An index or a call begins on the line of what it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_TOKEN: Final = re.compile(r'\s*?(\n)|[^\S\n]*("[^"\\$]*"|[A-Za-z_]\w*|=>|==|[\[\](){},:=;])')
_KEYWORDS: Final = frozenset(("do", "end", "if", "return", "null", "true", "false"))
Scope = dict[str, Any]


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Axon:
    """Evaluates expressions with some functions; a name that is neither these nor a variable is unknown."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.functions = functions

    def eval(self, text: str) -> Any:
        self.tokens, self.at = [], 0
        place, is_new_line = 0, False
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            assert match is not None, f"not a token: {text[place : place + 20]!r}"
            place = match.end()
            if match[2]:
                self.tokens.append((match[2], is_new_line))
            is_new_line = match[1] is not None
        made = self._expr()
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at :]}"
        return made({})

    def _see(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return str(self.tokens[place][0]) if place < len(self.tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._see()
        assert not expected or token in expected, f"{token!r} where {expected} is expected"
        self.at += 1
        return token

    def _goes_on(self, token: str) -> bool:
        return self._see() == token and not self.tokens[self.at][1]

    def _is_name(self, token: str) -> bool:
        return token.isidentifier() and token not in _KEYWORDS

    def _expr(self) -> Callable[[Scope], Any]:
        if self._is_name(self._see()) and self._see(1) == ":":
            name, _, value = self._take(), self._take(":"), self._expr()
            return lambda scope: scope.__setitem__(name, value(scope))
        if self._see() == "do":
            self._take("do")
            steps = []
            while self._see() != "end":
                assert self.tokens[self.at][1] or self._see() == ";", "a step begins on a line of its own"
                steps.append(self._expr())
            self._take("end")
            return lambda scope: [step(scope) for step in steps][-1]
        if self._see() == "if":
            self._take("if"), self._take("(")
            condition, _, then = self._expr(), self._take(")"), self._expr()
            return lambda scope: then(scope) if condition(scope) else None
        if self._see() == "return":
            self._take("return")
            assert not self.tokens[self.at][1], "return is followed by its value on the same line"
            value = self._expr()

            def leave(scope: Scope) -> Any:
                raise _Return(value(scope))

            return leave
        if self._is_name(self._see()) and self._see(1) == "=>":
            return self._lambda([self._take()])
        return self._assigned()

    def _assigned(self) -> Callable[[Scope], Any]:
        name, term = self._see(), self._term()
        if self._see() == "==":
            self._take("==")
            other = self._term()
            return lambda scope: _equal(term(scope), other(scope))
        if self._see() != "=":
            return term
        self._take("=")
        value = self._expr()

        def assign(scope: Scope) -> None:
            assert name in scope, f"{name} is not defined"
            scope[name] = value(scope)

        return assign

    def _term(self) -> Callable[[Scope], Any]:
        base = self._base()
        while self._goes_on("(") or self._goes_on("["):
            base = self._call(base) if self._see() == "(" else self._index(base)
        return base

    def _call(self, target: Callable[[Scope], Any]) -> Callable[[Scope], Any]:
        args = self._several("(", ")")
        return lambda scope: target(scope)(*(arg(scope) for arg in args))

    def _index(self, target: Callable[[Scope], Any]) -> Callable[[Scope], Any]:
        self._take("[")
        key, _ = self._expr(), self._take("]")
        return lambda scope: target(scope).get(key(scope))

    def _several(self, opened: str, closed: str) -> list[Callable[[Scope], Any]]:
        self._take(opened)
        items = []
        while self._see() != closed:
            items.append(self._expr())
            if self._see() != closed:
                self._take(",")
        self._take(closed)
        return items

    def _base(self) -> Callable[[Scope], Any]:
        token = self._see()
        if token == "[":
            items = self._several("[", "]")
            return lambda scope: [item(scope) for item in items]
        if token == "{":
            return self._dict()
        if token == "(":
            names = re.fullmatch(r"\(((?:\w+,)*\w+)\)=>.*", "".join(one for one, _ in self.tokens[self.at :][:20]))
            if names is not None:
                self.at += 2 * names[1].count(",") + 3
                return self._lambda(names[1].split(","))
            inside = self._several("(", ")")
            return inside[0]
        self._take()
        if token.startswith('"'):
            return lambda scope: token[1:-1]
        if token in ("null", "true", "false"):
            return lambda scope: {"null": None, "true": True, "false": False}[token]
        assert self._is_name(token), f"unexpected token {token!r}"
        return lambda scope: self._found(token, scope)

    def _dict(self) -> Callable[[Scope], Any]:
        self._take("{")
        pairs = {}
        while self._see() != "}":
            name, _, pairs[name] = self._take(), self._take(":"), self._expr()
            if self._see() != "}":
                self._take(",")
        self._take("}")
        return lambda scope: {name: found for name, value in pairs.items() if (found := value(scope)) is not None}

    def _lambda(self, params: list[str]) -> Callable[[Scope], Any]:
        self._take("=>")
        body = self._expr()

        def make(outer: Scope) -> Callable[..., Any]:
            def called(*args: Any) -> Any:
                assert len(args) >= len(params), f"{params} are expected"
                try:
                    return body({**outer, **dict(zip(params, args, strict=False))})
                except _Return as returned:
                    return returned.value

            return called

        return make

    def _found(self, name: str, scope: Scope) -> Any:
        if name not in scope and name not in self.functions:
            raise LookupError(f"Unknown symbol '{name}'")
        return scope.get(name, self.functions.get(name))


def _equal(one: Any, other: Any) -> bool:
    """Of scalars their value, of collections whether they are one."""
    return one is other if isinstance(one, list | dict) else type(one) is type(other) and bool(one == other)
