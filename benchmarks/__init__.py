"""Measurements of the project beside named peers; each writes rows, see `results.py`."""
