"""What one request contributes to each metric; NaN where a metric is not defined for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.ranking import METRICS, hit_matrix, ndcg, ranking_metrics, recall
from components.evaluation.training_items import TrainingItems

SHOWN_AUC, SHOWN_NDCG = "shown_auc", "shown_ndcg"
# Beside `METRICS`; each at every cutoff.
FURTHER = (
    "ndcg_over_popularity",
    "repeat_recall",
    "explore_recall",
    "repeat_share",
    "novelty",
)


@dataclass(frozen=True)
class Answer:
    """A request, what the model answered and what the user did then.

    Attributes:
      recommended: item ids, best first.
      targets: items that the user engaged with, at least one.
      history: items that the user had engaged with before.
      shown_scores: the model's scores of the items that the target session showed, float [shown].
      shown_engaged: which of them the user engaged with, bool [shown].
    """

    recommended: Sequence[bytes]
    targets: set[bytes]
    history: set[bytes]
    shown_scores: np.ndarray
    shown_engaged: np.ndarray


def value_names(cutoffs: Sequence[int]) -> list[str]:
    """The names of `request_values`, in its order."""
    at_cutoffs = [f"{name}@{k}" for k in cutoffs for name in (*METRICS, *FURTHER)]
    return [*at_cutoffs, SHOWN_AUC, SHOWN_NDCG]


def request_values(answer: Answer, items: TrainingItems, cutoffs: Sequence[int]) -> np.ndarray:
    """One value a name of `value_names`: float [values].

    Args:
      answer: of one request.
      items: of the training sessions.
      cutoffs: the values of k.
    """
    values = ranking_metrics([answer.recommended], [answer.targets], cutoffs)
    popular = ranking_metrics([items.ids[: cutoffs[-1]]], [answer.targets], cutoffs)
    known = np.array([item in answer.history for item in answer.recommended], float)
    ranks = (items.rank.get(item) for item in answer.recommended)
    bits = np.array([np.nan if rank is None else items.information[rank] for rank in ranks])
    row = {name: float(value[0]) for name, value in values.items()}
    for k in cutoffs:
        row[f"ndcg_over_popularity@{k}"] = row[f"ndcg@{k}"] - float(popular[f"ndcg@{k}"][0])
        row[f"repeat_recall@{k}"] = _recall(answer, answer.targets & answer.history, k)
        row[f"explore_recall@{k}"] = _recall(answer, answer.targets - answer.history, k)
        row[f"repeat_share@{k}"] = _mean(known[:k])
        row[f"novelty@{k}"] = _mean(bits[:k][~np.isnan(bits[:k])])
    row[SHOWN_AUC], row[SHOWN_NDCG] = shown_metrics(answer.shown_scores, answer.shown_engaged)
    return np.array([row[name] for name in value_names(cutoffs)])


def shown_metrics(scores: np.ndarray, is_engaged: np.ndarray) -> tuple[float, float]:
    """AUC, and NDCG of the whole list, of shown items ordered by score: [shown], [shown].

    AUC is the share of (engaged, not engaged) pairs in the right order; a tie counts half. NaN
    where the items are all engaged or none is.
    """
    positive, negative = scores[is_engaged], scores[~is_engaged]
    if not len(positive) or not len(negative):
        return np.nan, np.nan
    difference = positive[:, None] - negative  # [engaged, not engaged]
    auc = (difference > 0).mean() + (difference == 0).mean() / 2
    order = np.argsort(-scores, kind="stable")
    gain = ndcg(is_engaged[order][None], np.array([len(positive)]), len(scores))
    return float(auc), float(gain[0])


def _recall(answer: Answer, targets: set[bytes], k: int) -> float:
    if not targets:
        return np.nan
    hits = hit_matrix([answer.recommended], [targets])
    return float(recall(hits, np.array([len(targets)]), k)[0])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
