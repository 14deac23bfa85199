"""How far a read is: told by the planner, shown by whoever wants to (:mod:`hsframe.session.progress`)."""

from __future__ import annotations

__all__ = ["Progress"]


class Progress:
    """What there is to read, and what was read.

    Subclasses show it: :meth:`changed` is called on the event loop, after each answer.
    """

    def __init__(self) -> None:
        self.total = self.done = 0.0  # point-microseconds: known before the first sample is
        self.samples = 0

    def expect(self, size: float) -> None:
        """There is more to read."""
        self.total += size
        self.changed()

    def advance(self, size: float, samples: int) -> None:
        """So much was read."""
        self.done = min(self.done + size, self.total)
        self.samples += samples
        self.changed()

    def changed(self) -> None:
        """Show it; does nothing here."""
