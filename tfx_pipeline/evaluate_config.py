"""The configuration of evaluation: what is measured and what a model needs to be pushed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Slices that every log has, and what joins two of them to a cross.
HISTORY, RECENT, POPULARITY = "history_sessions", "recent_sessions", "target_popularity"
BUILT_IN_SLICES = (HISTORY, RECENT, POPULARITY)
CROSS = "*"

_Share = Annotated[float, Field(ge=0, le=1)]


class EvaluateConfig(BaseModel):
    """`[evaluate]`: the metrics' cutoffs and the gate, which reads the largest of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoffs: tuple[Annotated[int, Field(gt=0)], ...] = Field((10, 20), min_length=1)
    slices: tuple[str, ...] = Field(
        BUILT_IN_SLICES,
        description="history_sessions (0 is new users), recent_sessions (in the 28 days before the "
        "request), target_popularity, a feature of the item table (of the target's items), or one "
        "of data.columns.further (of the history's last event); `a*b` crosses two",
    )
    min_recall: _Share = 0.001
    min_ndcg: _Share = 0.001
    min_gain: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0,
        description="how much more NDCG a model needs than the items most popular in training have",
    )
    max_drop: _Share = Field(
        0.01,
        description="how much less NDCG than the last blessed model is accepted; a drop whose 95% "
        "interval (jackknife) reaches 0 is noise and always is",
    )
    max_slice_drop: _Share = Field(0.05, description="the same, in each slice")
    min_slice_size: Annotated[int, Field(ge=1)] = Field(
        50, description="requests with a target that a slice needs to count for the gate"
    )
    max_item_drift: _Share = Field(
        1.0,
        description="Jensen-Shannon divergence, 0 to 1, between the items of the eval and of the "
        "test split's sessions to predict above which a run stops, before training; few sessions "
        "diverge by chance, so 1, which none exceeds, unless set from what a log usually has",
    )

    @model_validator(mode="after")
    def _increasing(self) -> "EvaluateConfig":
        if list(self.cutoffs) != sorted(set(self.cutoffs)):
            raise ValueError(f"cutoffs must increase. Received: {list(self.cutoffs)}")
        return self

    @property
    def slicing_features(self) -> set[str]:
        """The features of all slices and crosses."""
        return {name for each in self.slices for name in each.split(CROSS)}
