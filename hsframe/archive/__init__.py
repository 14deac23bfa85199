"""Archives of histories: a Delta table of samples and one of points, as open files that every engine reads."""
