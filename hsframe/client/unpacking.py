"""Unpacks the body of an answer while it arrives, and proves that it is whole.

zlib proves the check sum and the length of what has ended. That it has ended, and that no more comes out than is
allowed, is proved here: gateways cut what is packed within a well-framed answer, and HTTP libraries take it as whole.
"""

from __future__ import annotations

import zlib
from typing import Final

try:  # comes with the extra `archive`
    from isal import isal_zlib
except ImportError:
    isal_zlib = zlib  # type: ignore[misc]  # it has the calls of zlib

from hsframe.client.in_thread import in_thread
from hsframe.errors import NetworkError, TruncatedBodyError
from hsframe.options import Limits

# What is unpacked at once. A chunk that is not small is unpacked in a thread; a small one unpacks to 8 MB at most.
_PIECE_BYTES: Final = 1 << 20
_SMALL_CHUNK: Final = 1 << 13
# A gzip header without flags, as servers send it: isal takes half of zlib's time. Where optional parts of a header are
# divided between chunks, it fails (1.9.1), and it takes flags that RFC 1952 reserves.
_PLAIN_GZIP: Final = b"\x1f\x8b\x08\0"


class Unpacker:
    """Unpacks one body: feed a chunk, take pieces until one is empty, feed the next; :meth:`finish` at the end."""

    def __init__(self, coding: str, limits: Limits, where: str) -> None:
        self._coding = coding.strip().lower().removeprefix("x-").replace("identity", "")
        self._where = where
        self._limits = limits
        self._left = limits.answer_bytes
        self._chunk = b""
        self._is_small = self._has_more = self._has_begun = False
        self._part = zlib.decompressobj()
        self.received = 0
        if self._coding not in ("gzip", "deflate", ""):
            # Another word of a header is not shown.
            how = f"as {self._coding!r}" if self._coding in ("br", "zstd", "compress") else "in a way that is not known"
            raise NetworkError(
                f"{where}: the answer is packed {how}; expected gzip, deflate or nothing, which was "
                "asked for; look for a proxy or gateway that packs"
            )

    def feed(self, chunk: bytes) -> None:
        self._chunk, self._is_small = chunk, len(chunk) <= _SMALL_CHUNK
        self.received += len(chunk)

    async def piece(self) -> bytes:
        """The next bytes of what is packed, a megabyte at most; empty where the next chunk is needed."""
        if not self._coding:
            piece, self._chunk = self._chunk, b""
        else:
            piece = self._unpacked() if self._is_small else await in_thread(self._unpacked)
        self._left -= len(piece)
        self._limits.check("answer_bytes", self._limits.answer_bytes - self._left, self._where)
        return piece

    def finish(self, *, may_be_empty: bool) -> None:
        """Say that the body has ended."""
        if self._coding and not (self._part.eof if self._has_begun else may_be_empty):
            raise self._broken("what is packed in it has no end")

    def _unpacked(self) -> bytes:
        """What comes out of the chunk: of several parts together, since each may be a few bytes."""
        pieces, most = [], min(_PIECE_BYTES, self._left + 1)
        while most and (self._chunk or self._has_more):
            pieces.append(self._unpacked_part(most))
            most -= len(pieces[-1])
        return b"".join(pieces)

    def _unpacked_part(self, most: int) -> bytes:
        if self._part.eof:
            # gzip may have several parts (RFC 1952), and be padded with zeros.
            self._chunk = self._chunk.lstrip(b"\0") if self._coding == "gzip" else self._chunk
            if not self._chunk:
                return b""
            if self._coding != "gzip":
                raise self._broken("bytes follow what is packed in it")
        if self._part.eof or not self._has_begun:
            self._has_begun = True
            if self._coding == "gzip":
                module = isal_zlib if self._chunk.startswith(_PLAIN_GZIP) else zlib
                self._part = module.decompressobj(zlib.MAX_WBITS + 16)
            else:
                # Deflate has a zlib header (RFC 9110), which begins with 8 in these bits; servers also leave it out.
                self._part = zlib.decompressobj(zlib.MAX_WBITS if self._chunk[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        try:
            piece = self._part.decompress(self._chunk, most)
        except (zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # declared as an instance
            raise self._broken(f"it cannot be unpacked: {error}") from None
        self._has_more = len(piece) == most and not self._part.eof
        self._chunk = self._part.unused_data if self._part.eof else self._part.unconsumed_tail
        return piece

    def _broken(self, how: str) -> TruncatedBodyError:
        return TruncatedBodyError(
            f"{self._where}: the body broke off after {self.received} bytes, or is damaged ({how}); nothing is returned"
        )
