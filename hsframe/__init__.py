"""Project Haystack servers to pandas: trends with units and time zones that are right."""

__version__ = "0.1.0"
