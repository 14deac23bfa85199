"""Reads and writes histories of many points with as many requests as a server needs.

- ``source``: the ops that a read needs of a client
- ``point_records``: finds the records of points, given a filter, ids or a frame
- ``plan``, ``planner``: divide a read into requests, send them, and split those that were too large
- ``his_answers``: the answer of a request, in the order of its points and clipped to its window
- ``read``: histories of points over a span, batch by batch or all together
- ``intervals``, ``nearest_samples``, ``latest``: reads for regular intervals and for the latest values
- ``write``, ``verify``, ``write_report``: send samples, read them back, and note the status of each
"""
