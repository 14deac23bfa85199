"""Histories as a whole: which requests make a read, exact windows, writing back, files.

- ``points``: from a filter, ids or a frame to the records that are read
- ``windows``: the plan of a read, without I/O
- ``read``: the plan carried out, answers checked, clipped, and cut smaller where a server is at its limit
- ``write``: samples to the server; a batch is believed when it was read back
- ``archive``: a trend frame as a file that is there whole or not at all
"""
