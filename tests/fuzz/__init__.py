"""Readers of foreign bytes, given bytes that are wrong: ``python -m tests.fuzz --help``."""
