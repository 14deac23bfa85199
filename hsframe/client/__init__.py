"""The asynchronous client: every op of the standard as a method, rows or grids out."""

from hsframe.client.client import Client

__all__ = ["Client"]
