"""What TFDV counted in a run's data, and how far it is from the run before."""

import os

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from model import features

STATISTICS = "StatisticsGen.statistics"

_KINDS = statistics_pb2.FeatureNameStatistics
_SCHEMA_TYPES = {
    _KINDS.INT: schema_pb2.INT,
    _KINDS.FLOAT: schema_pb2.FLOAT,
    _KINDS.STRING: schema_pb2.BYTES,
    _KINDS.BYTES: schema_pb2.BYTES,
}


def read_statistics(uri: str, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a split."""
    return tfdv.load_stats_binary(os.path.join(uri, f"Split-{split}", "FeatureStats.pb"))


def describe(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, float]:
    """The figures that say what kind of data it is, by their names for people."""
    [dataset] = statistics.datasets
    of = {feature.path.step[-1]: feature for feature in dataset.features}
    sessions, items = of[features.SESSION_LENGTH].num_stats, of[features.ITEM_ID].string_stats
    return {
        "users": dataset.num_examples,
        "sessions per user": sessions.common_stats.avg_num_values,
        "items per session": sessions.mean,
        "share engaged": of[features.ENGAGED].num_stats.mean,
        "distinct items": items.unique,
    }


def divergence(
    before: statistics_pb2.DatasetFeatureStatisticsList,
    after: statistics_pb2.DatasetFeatureStatisticsList,
    name: str,
) -> float | None:
    """Jensen-Shannon divergence (bits, 0 to 1) of a feature's values; None where it has none."""
    [kind] = (f.type for f in after.datasets[0].features if f.path.step[-1] == name)
    schema = schema_pb2.Schema()
    feature = schema.feature.add(name=name, type=_SCHEMA_TYPES[kind])
    feature.drift_comparator.jensen_shannon_divergence.threshold = 1
    found = tfdv.validate_statistics(after, schema, previous_statistics=before)
    measured = [m.value for info in found.drift_skew_info for m in info.drift_measurements]
    return measured[0] if measured else None
