"""Refusals: by an op, as an error grid (standard: Ops, section Errors), and before an op runs, as an HTTP code."""

from __future__ import annotations

from typing import Any

from hsframe.errors import HsFrameError
from hsframe.grid import Grid
from hsframe.kinds import MARKER


class OpRefusal(HsFrameError):
    """The op ran and refuses; the client gets HTTP 200 with an error grid, whose ``errType`` is for programs."""

    def __init__(self, dis: str, err_type: str = "Err") -> None:
        super().__init__(dis)
        self.dis = dis
        self.err_type = err_type


class HttpRefusal(HsFrameError):
    """Something was wrong before the op ran; the client gets an HTTP code and a line of text.

    In version 5 of the protocol it gets a dict: `spec` is its kind of error, else that of the status, and `more` are
    its other tags.
    """

    def __init__(
        self, status: int, reason: str, headers: dict[str, str] | None = None, *, spec: str = "", **more: Any
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}
        self.spec = spec
        self.more = more


def error_grid(op: str, refusal: OpRefusal) -> Grid:
    trace = f"{refusal.err_type}: {refusal.dis}\n  hsframe.server, op {op}"
    return Grid({"err": MARKER, "dis": refusal.dis, "errType": refusal.err_type, "errTrace": trace})
