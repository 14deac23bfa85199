"""Completion in IPython and notebooks: the values that a setting may have, as ``shape="`` offers ``wide``.

IPython completes the names of settings, and no values of a ``Literal``. So its completer gets one more matcher when a
session or an archive is made there. The matcher goes by names alone: nothing of the cell is evaluated.
"""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin

from hsframe import options
from hsframe.codecs.formats import CALL_FORMATS
from hsframe.tracebacks import running_shell
from hsframe.units.systems import System

# The last call that is open, its last setting, and what is typed of the value.
_SETTING: Final = re.compile(
    r"""\b(\w+)\((?:[^()]|\([^()]*\))*?\b(\w+)\s*=\s*\[?\s*(?:["']\w+["'],\s*)*(["']?)(\w*)$"""
)
_OPTION: Final = re.compile(r"""\b(options)\.(\w+)\s*=\s*(["']?)(\w*)$""")
# Those of more than a Literal: other units are taken too.
_MORE_CHOICES: Final = {"format": CALL_FORMATS, "units": ("native", *get_args(System))}


def offer_choices() -> None:
    """Let IPython's completer offer them, where IPython runs."""
    matchers = getattr(getattr(running_shell(), "Completer", None), "custom_matchers", None)
    if matchers is not None and _matches not in matchers:
        matchers.append(_matches)


def _matches(context: Any) -> dict[str, Any]:
    from IPython.core.completer import SimpleCompletion

    text = "\n".join([*context.full_text.split("\n")[: context.cursor_line], context.text_until_cursor])
    found = _OPTION.search(text) or _SETTING.search(text)
    verb, name, quote, typed = found.groups() if found else ("", "", "", "")
    near = [one for one in choices_of(verb, name) if one.startswith(typed)]
    texts = [one if quote else f'"{one}"' for one in near if quote or not typed]
    completions = [SimpleCompletion(text=one, type="value") for one in texts]
    return {"completions": completions, "suppress": bool(texts), "ordered": True, "matched_fragment": typed}


_matches.matcher_api_version = 2  # type: ignore[attr-defined]  # it is given the context, not the last word alone


@cache
def choices_of(verb: str, name: str) -> tuple[str, ...]:
    """The values that a setting of a verb may have, by their names; none where they are not fixed.

    >>> choices_of("his_read", "shape"), choices_of("connect", "auth")[:2], choices_of("his_read", "span")
    (('wide', 'tidy', 'dict'), ('auto', 'scram'), ())
    """
    if verb == "options":
        return options.CHOICES.get(name, ())
    function = next((one for of in _owners() if callable(one := getattr(of, verb, None))), None)
    if function is None or (setting := inspect.signature(function).parameters.get(name)) is None:
        return ()
    names: dict[str, Any] = {}
    for module in [*sys.modules]:
        if module.startswith("hsframe.session."):
            names |= vars(sys.modules[module])
    names |= getattr(inspect.unwrap(function), "__globals__", {})
    try:
        annotation = eval(setting.annotation, names)  # noqa: S307  # a text of this package
    except (NameError, TypeError):  # with a type that is imported for type checkers alone, or a quoted one
        annotation = None
    return tuple(dict.fromkeys([*_MORE_CHOICES.get(name, ()), *_literals(annotation)]))


def _owners() -> list[Any]:
    from hsframe.analysis.accessor import FrameAccessor

    package = sys.modules["hsframe"]
    return [package, FrameAccessor, vars(package).get("Archive")]  # an archive that nobody has made is not loaded


def _literals(annotation: Any) -> list[str]:
    """The texts of all Literals in an annotation; of a mapping, those of its values are for another place."""
    if get_origin(annotation) is Literal:
        return [one for one in get_args(annotation) if isinstance(one, str)]
    if "Mapping" in str(get_origin(annotation)):
        return []
    return [text for one in get_args(annotation) for text in _literals(one)]
