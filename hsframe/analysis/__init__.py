"""Frames to frames: ``df.hs``, degree days, the report of what is wrong."""
