"""The configuration of evaluation: what is measured and what a model needs to be pushed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EvaluateConfig(BaseModel):
    """`[evaluate]`: the metrics' cutoffs and the gate, which reads the largest of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoffs: tuple[Annotated[int, Field(gt=0)], ...] = Field((10, 20), min_length=1)
    min_recall: Annotated[float, Field(ge=0, le=1)] = 0.001
    min_ndcg: Annotated[float, Field(ge=0, le=1)] = 0.001
    max_drop: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="how much less NDCG than the last blessed model is accepted"
    )
    confidence_intervals: bool = Field(
        False, description="95% intervals by Poisson bootstrap; the gate does not read them"
    )

    @model_validator(mode="after")
    def _increasing(self) -> "EvaluateConfig":
        if list(self.cutoffs) != sorted(set(self.cutoffs)):
            raise ValueError(f"cutoffs must increase. Received: {list(self.cutoffs)}")
        return self
