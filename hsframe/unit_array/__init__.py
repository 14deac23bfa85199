"""Unit columns for pandas: the dtype, the array below it, and what happens when units meet."""
