"""Peers that need an environment of their own: a script and its requirements each."""
