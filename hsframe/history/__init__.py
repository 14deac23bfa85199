"""Histories as a whole: which requests make a read, exact windows, and writing back.

- ``source``: what a read asks of a client
- ``records``: from a filter, ids or a frame to the records of the points that are read
- ``plan``: which requests make a read, without I/O
- ``read``: histories of points over a span, batch by batch or gathered
- ``planner``: the plan carried out, answers checked, clipped, and requests split where a server is at its limit
- ``intervals``, ``last_samples``, ``latest``: what is read for regular intervals and for the latest values
- ``write``: samples to the server; a batch is believed when it was read back
"""
