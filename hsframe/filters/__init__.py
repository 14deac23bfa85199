"""Filters: which records a query means (standard: chapter Filters).

The grammar::

    filter  = and ("or" and)*
    and     = term ("and" term)*
    term    = "(" filter ")" | "not" path | path op value | path | spec | symbol | relation | [path] "*==" ref
    path    = name ("->" name)*
    op      = "==" | "!=" | "<" | "<=" | ">" | ">="
    value   = "true" | "false" | ref | str | uri | number | date | time | symbol
    spec    = [lib "::"] Name

The standard does not list a DateTime as a value, comments from ``//`` to the end of the line, and a symbol as a term,
which many servers take, nor ``relation`` (``inputs? ^air @ahu``) and ``*==``, which FIN does. Values are those of Zinc.

A path goes through a Ref to its record, through a list of Refs (any of them may match) and into a nested Dict.
Two Numbers of unequal units are unequal and have no order: nothing is converted. A comparison with a tag that is
not there is false, whatever the operator, ``!=`` included.
"""

from __future__ import annotations

from hsframe.filters.parsing import explained, is_word, means_filter, parse
from hsframe.filters.tree import Filter

__all__ = ["Filter", "explained", "is_word", "means_filter", "parse"]
