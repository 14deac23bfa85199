"""The command line: ``hsframe`` and ``python -m hsframe`` are the same program."""

from hsframe.cli.program import main

__all__ = ["main"]
