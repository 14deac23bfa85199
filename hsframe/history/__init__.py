"""Histories as a whole: which requests make a read, exact windows, writing back, archives."""
