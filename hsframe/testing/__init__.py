"""What tests of programs that use this package need: Hypothesis strategies, and a server on a thread.

- :mod:`hsframe.testing.strategies`: every kind, grids and histories; needs ``hsframe[testing]``.
- :mod:`hsframe.testing.server`: the embedded server on loopback; with the quirks of other servers where they are named
  (:mod:`hsframe.testing.quirks`).
"""
