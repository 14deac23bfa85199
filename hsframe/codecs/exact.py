"""The exact codecs, which are the reference: whatever reads or writes faster gives what these give."""

from __future__ import annotations

from hsframe.caller_warnings import DeferredWarnings
from hsframe.codecs.formats import FORMATS, format_named
from hsframe.errors import CodecError
from hsframe.grid import Grid


class NeedsExactParserError(Exception):
    """The body is so unusual, or so wrong, that only the exact parser can read or refuse it.

    Raised by the faster readers, and caught within :mod:`hsframe.codecs`.
    """


def decode_exact(body: bytes | str, mime: str) -> Grid:
    """The same as :func:`hsframe.codecs.decode` by the exact codecs alone, every cell a Python object.

    The exact codecs are the reference: where :func:`hsframe.codecs.decode` reads faster, it gives what this gives.
    """
    format = format_named(mime)
    if format.read is None:
        readable = ", ".join(other.title for other in FORMATS.values() if other.read is not None)
        raise CodecError(
            f"{format.title} is write-only: it does not keep the kinds of its values",
            expected=readable,
            source=format.short,
        )
    with DeferredWarnings():  # so that a warning that many cells give is given once
        return format.read(body)


def encode_exact(grid: Grid, mime: str) -> bytes:
    """The same as :func:`hsframe.codecs.encode` by the exact writers alone.

    Where :func:`hsframe.codecs.encode` writes faster, its body decodes to the same grid as this one's.
    """
    return format_named(mime).write(grid)
