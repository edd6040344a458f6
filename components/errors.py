"""The one exception that ingestion raises for what a user can mend."""


class DataError(ValueError):
    """The log cannot be ingested. The message says what was found and what to change."""
