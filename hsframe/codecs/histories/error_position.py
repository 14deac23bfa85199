"""The place of an error in a body of which rows were taken out."""

from __future__ import annotations

import numpy as np

from hsframe.errors import CodecError

__all__ = ["ErrorPosition"]


class ErrorPosition:
    """Counts what was taken out of a body right behind its head, and says where an error is in the whole.

    `octets` and `lines` are the bytes and line ends that were taken out, `chars` the characters behind the last line
    end, or all where there was none.
    """

    def __init__(self) -> None:
        self.octets = 0
        self.lines = 0
        self.chars = 0

    def add(self, text: bytes) -> None:
        """Count bytes that follow those that were counted before."""
        self.octets += len(text)
        lines = text.count(b"\n")
        last = text[text.rfind(b"\n") + 1 :]
        octets = np.frombuffer(last, np.uint8)
        chars = len(last) - int(np.count_nonzero((octets & 0xC0) == 0x80))
        self.lines += lines
        self.chars = chars if lines else self.chars + chars

    def placed(self, error: CodecError, head: bytes) -> CodecError:
        """The error with its place in the whole body, for one of the head and what is left."""
        if error.line is None or self.octets == 0:
            return error
        head_lines = head.count(b"\n")
        head_chars = len(head[head.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
        line, column = error.line, error.column
        if line > head_lines:
            if line == head_lines + 1 and column is not None and column > head_chars:
                column += self.chars - (head_chars if self.lines else 0)
            line += self.lines
        return CodecError(
            error.problem,
            line=line,
            column=column,
            snippet=error.snippet,
            expected=error.expected,
            source=error.source,
        )
