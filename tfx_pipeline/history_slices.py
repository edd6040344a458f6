"""The slicing feature `history_sessions`: how much history a request came with."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_model_analysis as tfma

from model import features

HISTORY_SESSIONS = "history_sessions"

# The first number of sessions in each bucket but the first, and the buckets' names.
_STARTS = (1, 5, 20, 100)
BUCKETS = ("0", "1-4", "5-19", "20-99", "100+")


def history_buckets(session_length: pa.Array) -> np.ndarray:
    """Names the bucket of each request's history.

    Args:
      session_length: list<int64> [requests], one value a session; null is no history.

    Returns:
      str [requests].
    """
    sessions = pc.fill_null(pc.list_value_length(session_length), 0).to_numpy(zero_copy_only=False)
    return np.array(BUCKETS)[np.searchsorted(_STARTS, sessions, side="right")]


def history_extractor() -> tfma.extractors.Extractor:
    """Adds the feature to batched extracts.

    It must precede TFMA's features extractor, which keeps features that are there already but
    drops the Arrow batch, and with it `session_length` once that is a ragged partition.
    """
    return tfma.extractors.Extractor(
        stage_name="ExtractHistorySessions", ptransform=beam.Map(_add_history_sessions)
    )


def _add_history_sessions(extracts: tfma.types.Extracts) -> tfma.types.Extracts:
    batch = extracts[tfma.ARROW_RECORD_BATCH_KEY]
    buckets = history_buckets(batch.column(features.SESSION_LENGTH))
    # TFMA wants a value dimension: from [requests] to [requests, 1].
    return {**extracts, tfma.FEATURES_KEY: {HISTORY_SESSIONS: buckets.reshape(-1, 1)}}
