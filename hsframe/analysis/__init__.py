"""Frames to frames: the matrix of a portfolio, degree days."""
