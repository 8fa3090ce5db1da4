"""Linear classifiers of frozen rows, many at a time."""
