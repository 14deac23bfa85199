"""Frames to frames: ``df.hs``, the matrix of a portfolio, degree days, the report of what is wrong."""
