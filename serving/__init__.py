"""Serving: an embedded server with TensorFlow Serving's API, the client, deployment files."""

import model.features  # noqa: F401  (sets TF_USE_LEGACY_KERAS before TensorFlow is imported)

# Of the client, and of the server that the command line starts.
DEFAULT_MAX_MESSAGE_BYTES = 64 * 2**20
