"""TFX's StatisticsGen, which counts the commonest values of a feature with TFDV's mergeable sketch.

By default StatisticsGen turns each single value into an element of a Beam collection, which is most
of its time. The sketch adds up whole batches. TFDV's own setting for it is too narrow: with 16,384
counters the divergence of the items of two splits is wrong once there are more items than that.
"""

import json
import os
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.generators.basic_stats_generator import (
    BasicStatsGenerator,
)
from tensorflow_data_validation.statistics.generators.top_k_uniques_sketch_stats_generator import (
    TopKUniquesSketchStatsGenerator,
)
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components import statistics_gen
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

COUNTERS = 2**20
FILE_NAME = "FeatureStats.pb"  # where TFX's readers look


def stats_options(schema: schema_pb2.Schema, counters: int = COUNTERS) -> tfdv.StatsOptions:
    """TFDV's default statistics; exact for features of at most `counters` distinct values.

    Args:
      schema: of the examples.
      counters: of the sketches. With more distinct values the number of distinct values and the
        counts of the commonest ones are estimates.
    """
    default = tfdv.StatsOptions()
    commonest = TopKUniquesSketchStatsGenerator(
        schema=schema,
        num_top_values=default.num_top_values,
        num_rank_histogram_buckets=default.num_rank_histogram_buckets,
        num_misragries_buckets=counters,
        num_kmv_buckets=counters,
    )
    return tfdv.StatsOptions(
        schema=schema,
        add_default_generators=False,
        generators=[BasicStatsGenerator(schema=schema), commonest],
    )


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes one `DatasetFeatureStatisticsList` for each split, where TFX's own executor does."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class."""
        [examples] = input_dict[standard_component_specs.EXAMPLES_KEY]
        [schema] = input_dict[standard_component_specs.SCHEMA_KEY]
        [statistics] = output_dict[standard_component_specs.STATISTICS_KEY]
        excluded = json.loads(exec_properties[standard_component_specs.EXCLUDE_SPLITS_KEY])
        splits = [
            split
            for split in artifact_utils.decode_split_names(examples.split_names)
            if split not in excluded
        ]
        statistics.split_names = artifact_utils.encode_split_names(splits)
        statistics.span = examples.span
        options = stats_options(
            io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))
        )
        with self._make_beam_pipeline() as pipeline:
            for split in splits:
                source = tfxio_utils.get_split_tfxio([examples], split, ["StatisticsGen"])
                folder = artifact_utils.get_split_uri([statistics], split)
                _ = (
                    pipeline
                    | f"Read[{split}]" >> source.BeamSource()
                    | f"Count[{split}]" >> tfdv.GenerateStatistics(options)
                    | f"Write[{split}]"
                    >> tfdv.WriteStatisticsToBinaryFile(os.path.join(folder, FILE_NAME))
                )


class StatisticsGen(statistics_gen.component.StatisticsGen):
    """Statistics of all splits of `examples` but `exclude_splits`; needs a `schema`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
