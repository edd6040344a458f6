"""Scores, by the signature `rank`, of the items that the target session showed."""

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.utils import model_util

from model import features

SIGNATURE = "rank"


def shown_scores_key(model_name: str) -> str:
    """The feature that holds a model's scores: float [requests, most shown]."""
    return f"shown_scores:{model_name}"


def shown_scores_extractor(eval_shared_model) -> tfma.extractors.Extractor:
    """Adds each model's scores of the target's items, in their order, to batched extracts.

    NaN pads. A session without both engaged and other items is not scored: all its scores are NaN.
    It must precede TFMA's features extractor, which drops the Arrow batch.
    """
    models = model_util.verify_and_update_eval_shared_models(eval_shared_model)
    # Of one model alone, TFMA's metrics leave out the name.
    loaders = {m.model_name if len(models) > 1 else "": m.model_loader for m in models}
    return tfma.extractors.Extractor(
        stage_name="ExtractShownScores", ptransform=beam.ParDo(_Score(loaders))
    )


class _Score(model_util.DoFnWithModels):
    def process(self, extracts: tfma.types.Extracts):
        batch = extracts[tfma.ARROW_RECORD_BATCH_KEY]
        examples = batch.column(tfma.ARROW_INPUT_COLUMN).flatten().to_pylist()
        shown = [ids or [] for ids in batch.column(features.TARGET_ITEM_ID).to_pylist()]
        engaged = batch.column(features.TARGET_ENGAGED).to_pylist()
        scored = [row for row, flags in enumerate(engaged) if len(set(flags or ())) == 2]
        width = max(map(len, shown), default=0)
        padding = features.PADDING_ITEM_ID.encode()
        candidates = [shown[row] + [padding] * (width - len(shown[row])) for row in scored]
        found = {}
        for name, model in self._loaded_models.items():
            scores = np.full((len(shown), width), np.nan, np.float32)
            if scored:
                answer = model.signatures[SIGNATURE](
                    examples=tf.constant([examples[row] for row in scored]),
                    candidate_item_id=tf.constant(candidates),
                )
                is_item = np.array(candidates, object) != padding
                scores[scored] = np.where(is_item, answer["score"].numpy(), np.nan)
            found[shown_scores_key(name)] = scores
        yield {**extracts, tfma.FEATURES_KEY: {**extracts.get(tfma.FEATURES_KEY, {}), **found}}
