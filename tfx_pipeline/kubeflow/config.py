"""The configuration of the pipeline's containers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Resources(BaseModel):
    """What one container asks for, and is held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: Annotated[float, Field(gt=0)] = Field(2, description="cores")
    memory_gb: Annotated[float, Field(gt=0)] = 8
    retries: Annotated[int, Field(ge=0)] = Field(
        2, description="of a failed container; a training goes on after its last whole epoch"
    )


class KubeflowConfig(Resources):
    """`[kubeflow]`: the containers of `sessionrec kubeflow compile`, all that are not named."""

    components: dict[str, Resources] = {}
    cache: bool = Field(
        True,
        description="reuse stages with the same parameters and inputs; not the same files",
    )
    volume_claim: str | None = Field(
        None, description="a PersistentVolumeClaim for log and models, where they are not on gs://"
    )
    volume_path: str = Field("/data", pattern="^/", description="where containers mount it")

    def of(self, component: str) -> Resources:
        """The resources of a component."""
        return self.components.get(component, self)
