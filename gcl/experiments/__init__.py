"""Runs of recipes on data sets, from options to tables: what `gcl train` and `gcl bench` do."""
