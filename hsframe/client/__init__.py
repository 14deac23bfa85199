"""The asynchronous client: every op of the standard as a method, rows or grids out."""

from hsframe.client.client import Client
from hsframe.protocol.answers import Rows

__all__ = ["Client", "Rows"]
