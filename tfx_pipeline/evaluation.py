"""What the Evaluator computes, by which slices, and what a model must reach to be blessed."""

import json
from collections.abc import Mapping, Sequence

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from tfx_pipeline.evaluate_config import CROSS, EvaluateConfig
from tfx_pipeline.shown_scores import shown_scores_extractor
from tfx_pipeline.slices import slice_extractor
from tfx_pipeline.sure_change import SURE_CHANGE, SURE_SLICE_CHANGE

SIGNATURE = "serving_default"
CANDIDATE = "candidate"
BASELINE = "baseline"


def eval_config(
    config: EvaluateConfig,
    item_table: Mapping[str, str] | None = None,
    further: Sequence[str] = (),
) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    The gates, at the largest cutoff and on all requests unless it says otherwise: recall and NDCG
    reach their minimum; NDCG is at least `min_gain` above that of the items most popular in
    training; it falls at most `max_drop` below the baseline's, and in no slice more than
    `max_slice_drop`, where a drop that may be noise is none. With no baseline the last two are
    dropped. If no request has a target, nothing is blessed.

    Args:
      config: of evaluation.
      item_table: `path` and `item_id` column, for slices by its features.
      further: columns of the log that may be sliced by.
    """
    metrics = config_pb2.MetricConfig(
        class_name="RankingMetrics",
        module="tfx_pipeline.ranking_metrics",
        config=json.dumps(
            {
                "cutoffs": config.cutoffs,
                "min_slice_size": config.min_slice_size,
                "slices": config.slices,
                "item_table": dict(item_table or {}),
                "columns": {name: [] for name in further if name in config.slicing_features},
            }
        ),
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, signature_name=SIGNATURE),
            config_pb2.ModelSpec(name=BASELINE, signature_name=SIGNATURE, is_baseline=True),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[metrics],
                thresholds={SURE_SLICE_CHANGE: _falls_at_most(config.max_slice_drop)},
                per_slice_thresholds={
                    name: _on_all_requests(bound) for name, bound in _overall(config).items()
                },
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=each.split(CROSS)) for each in config.slices),
        ],
        options=config_pb2.Options(
            compute_confidence_intervals={"value": True},
            confidence_intervals={"method": "JACKKNIFE"},
        ),
    )


def _overall(config: EvaluateConfig) -> dict[str, config_pb2.MetricThreshold]:
    k = config.cutoffs[-1]
    return {
        f"recall_at_{k}": _at_least(config.min_recall),
        f"ndcg_at_{k}": _at_least(config.min_ndcg),
        f"ndcg_over_popularity_at_{k}": _at_least(config.min_gain),
        SURE_CHANGE: _falls_at_most(config.max_drop),
    }


def _at_least(value: float) -> config_pb2.MetricThreshold:
    bound = config_pb2.GenericValueThreshold(lower_bound={"value": value})
    return config_pb2.MetricThreshold(value_threshold=bound)


def _falls_at_most(drop: float) -> config_pb2.MetricThreshold:
    bound = config_pb2.GenericChangeThreshold(
        direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -drop}
    )
    return config_pb2.MetricThreshold(change_threshold=bound)


def _on_all_requests(
    threshold: config_pb2.MetricThreshold,
) -> config_pb2.PerSliceMetricThresholds:
    overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold
    )
    return config_pb2.PerSliceMetricThresholds(thresholds=[overall])


def custom_extractors(
    eval_shared_model, eval_config, tensor_adapter_config
) -> list[tfma.extractors.Extractor]:
    """TFMA's extractors after those of slices and of `rank`'s scores.

    TFX's Evaluator finds this function by its name when `module_path` names this module.
    """
    del tensor_adapter_config
    settings = json.loads(eval_config.metrics_specs[0].metrics[0].config)
    return [
        slice_extractor(
            tuple(settings["slices"]),
            settings["items"],
            settings["item_table"],
            settings["columns"],
        ),
        shown_scores_extractor(eval_shared_model),
        # Without the schema's ragged tensors, which TFMA takes apart slowly, request by request.
        *tfma.default_extractors(eval_shared_model=eval_shared_model, eval_config=eval_config),
    ]
