"""From an interaction log to sessions: one tf.Example per user and split, as `SCHEMA` says."""

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.pbtxt")
