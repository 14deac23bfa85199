"""Reads and writes histories of many points with as many requests as a server needs."""
