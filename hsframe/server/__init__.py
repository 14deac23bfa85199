"""The embedded Haystack server: a newcomer's playground, and the server that the tests talk to.

It follows the standard, not any one product; what other servers do otherwise is in :mod:`hsframe.testing.quirks`.
``hsframe.server.run.serve()`` runs it; :mod:`hsframe.testing.server` runs it beside a test.
"""
