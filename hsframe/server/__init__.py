"""The embedded Haystack server: a newcomer's playground, and the server that the tests talk to.

It follows the standard, not any one product; what other servers do differently is in :mod:`hsframe.server.quirks`.
``hsframe.server.run.serve()`` runs it; :mod:`hsframe.testing.server` runs it beside a test.
"""
