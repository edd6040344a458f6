"""What the Evaluator computes, by which slices, and what a model must reach to be blessed."""

import json

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from tfx_pipeline.evaluate_config import EvaluateConfig
from tfx_pipeline.history_slices import HISTORY_SESSIONS, history_extractor

SIGNATURE = "serving_default"
CANDIDATE = "candidate"
BASELINE = "baseline"


def eval_config(config: EvaluateConfig) -> config_pb2.EvalConfig:
    """Builds TFMA's configuration.

    The gate is on all requests together, at the largest cutoff: recall and NDCG reach their
    minimum, and NDCG falls at most `max_drop` (absolute) below the baseline's. With no baseline
    the last condition is dropped. If no request has a target, nothing is blessed.
    """
    k = config.cutoffs[-1]
    recall = config_pb2.MetricThreshold(value_threshold=_at_least(config.min_recall))
    ndcg = config_pb2.MetricThreshold(
        value_threshold=_at_least(config.min_ndcg),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": -config.max_drop},
        ),
    )
    metrics = config_pb2.MetricConfig(
        class_name="RankingMetrics",
        module="tfx_pipeline.ranking_metrics",
        config=json.dumps({"cutoffs": config.cutoffs}),
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, signature_name=SIGNATURE),
            config_pb2.ModelSpec(name=BASELINE, signature_name=SIGNATURE, is_baseline=True),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[metrics],
                per_slice_thresholds={
                    f"recall_at_{k}": _on_all_requests(recall),
                    f"ndcg_at_{k}": _on_all_requests(ndcg),
                },
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            config_pb2.SlicingSpec(feature_keys=[HISTORY_SESSIONS]),
        ],
        options=config_pb2.Options(
            compute_confidence_intervals={"value": config.confidence_intervals},
            confidence_intervals={"method": "POISSON_BOOTSTRAP"},
        ),
    )


def _at_least(value: float) -> config_pb2.GenericValueThreshold:
    return config_pb2.GenericValueThreshold(lower_bound={"value": value})


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
    """TFMA's extractors after one that adds the slicing feature `history_sessions`.

    TFX's Evaluator finds this function by its name when `module_path` names this module.
    """
    return [
        history_extractor(),
        *tfma.default_extractors(
            eval_shared_model=eval_shared_model,
            eval_config=eval_config,
            tensor_adapter_config=tensor_adapter_config,
        ),
    ]
