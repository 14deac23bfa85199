"""Bytes to Grid and back."""
