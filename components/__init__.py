"""Beam and TFX components: from an interaction log to sessions, and from a model to a push."""
