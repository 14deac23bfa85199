"""Unit columns for pandas: the dtype, the array below it, its operators, NumPy functions and reductions."""
