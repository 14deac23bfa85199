"""Values over regular intervals: what an interval is, what its value is, and how histories are resampled."""
