"""The progress of a read, updated by the planner; :mod:`hsframe.session.progress_bar` shows it as a bar."""

from __future__ import annotations


class Progress:
    """How much there is to read, and how much was read.

    Subclasses override :meth:`changed` to show it; it is called on the event loop, after each answer.
    """

    def __init__(self) -> None:
        self.total = self.done = 0.0  # points times microseconds: known before the first answer
        self.samples = 0

    def expect(self, size: float) -> None:
        self.total += size
        self.changed()

    def advance(self, size: float, samples: int) -> None:
        self.done = min(self.done + size, self.total)
        self.samples += samples
        self.changed()

    def changed(self) -> None:
        """Called after each change; does nothing here."""
