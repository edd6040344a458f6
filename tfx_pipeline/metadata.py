"""Where ML Metadata keeps what was run: a SQLite file, or a MySQL database that a team shares."""

import os

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from tfx_pipeline.config import Config

PASSWORD_VARIABLE = "SESSIONREC_METADATA_PASSWORD"


def connection(config: Config) -> metadata_store_pb2.ConnectionConfig:
    """The connection that `[metadata]` describes; its password is in the environment.

    Raises:
      ValueError: a database is configured and the environment has no password.
    """
    given = config.metadata
    if given.host is None:
        return metadata.sqlite_metadata_connection_config(config.metadata_path)
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        raise ValueError(
            f"metadata.host is {given.host!r}: set {PASSWORD_VARIABLE} to the password of "
            f"{given.user!r}."
        )
    return metadata.mysql_metadata_connection_config(
        given.host, given.port, given.database, given.user, password
    )


def open_store(config: Config) -> metadata_store.MetadataStore:
    """The store itself.

    Raises:
      ValueError: a database is configured and the environment has no password.
      ml_metadata.errors.StatusError: it cannot be reached.
    """
    return metadata_store.MetadataStore(connection(config))
