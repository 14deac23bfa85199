"""The asynchronous client: every op of the standard as a method, rows or grids out."""

from hsframe.client.face import Client

__all__ = ["Client"]
