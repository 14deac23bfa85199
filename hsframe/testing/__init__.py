"""For tests of programs that use this package: Hypothesis strategies, and a server on a thread.

- :mod:`hsframe.testing.strategies`: every kind, grids and histories; needs ``hsframe[testing]``.
- :mod:`hsframe.testing.server`: the embedded server on loopback, with quirks of other servers if wanted
  (:mod:`hsframe.testing.quirks`).
"""
