"""The embedded Haystack server: to try the package without a server of your own, and for tests.

It follows the standard, not any one product; quirks of other servers are in :mod:`hsframe.testing.quirks`.
``hsframe.server.run.serve()`` runs it; :mod:`hsframe.testing.server` runs it beside a test.
"""
