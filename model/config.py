"""The configuration of the model and of its training."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelConfig(_Section):
    """`[model]`: what the vocabulary holds and which encoders, losses and score terms are used."""

    min_sessions_per_item: Positive = Field(
        10, description="engaged training sessions an item needs to get an embedding of its own"
    )
    paradigm: Literal["next-session", "next-item"] = Field(
        "next-session",
        description="predict the set of items of the next session from the sessions so far; or, to "
        "compare, the next item from the items so far",
    )
    dim: Positive = Field(64, description="width of item and user vectors")
    feature_dim: Positive = Field(16, description="embedding width of each item feature")
    shared_embedding: bool = Field(
        True,
        description="score items by the vectors they are read with; false: by ones of their own",
    )
    session_encoder: Literal["mean", "max", "attention", "transformer"] = Field(
        "mean", description="ISE: the items of a session to one vector"
    )
    last_items: bool = Field(
        True,
        description="read what was engaged last in a session beside all of it, which a log where "
        "items follow each other needs; items of one time have no order",
    )
    session_items: Positive = Field(
        50, description="of a session that see one another in the transformer session encoder"
    )
    sequence_encoder: Literal["transformer", "hstu", "gru", "hybrid"] = Field(
        "gru",
        description="SSE: the sessions so far to a user state; hybrid: a GRU and a transformer",
    )
    layers: Positive = Field(2, description="of the sequence encoder")
    heads: Positive = Field(2, description="of each attention layer")
    dropout: Share = 0.2
    repeat: bool = Field(True, description="add the repeat-aware term to the similarity score")
    follow: bool = Field(
        True, description="add a term for what others went on to from the items engaged last"
    )
    together: bool = Field(
        True, description="add a term for what others had in one session with recent items"
    )
    trend: bool = Field(True, description="add a term for what is popular at the request's time")
    periods: Annotated[int, Field(gt=1)] = Field(
        64, description="of the trend; each has as many training sessions as the others"
    )
    request_time: bool = Field(True, description="let the time of the request change the scores")
    retrieval_loss: Literal["auto", "full", "sampled"] = Field(
        "auto",
        description="softmax over the catalogue, over a sample of it, or over a sample if the "
        "vocabulary has more than 50,000 items",
    )
    sampled_negatives: Positive = Field(
        1024,
        description="of a sample: items drawn for each step, beside those of its sessions and "
        "those with a score of a user's own",
    )
    sampling: Literal["log-uniform", "uniform"] = Field(
        "log-uniform", description="of a sample: popular items more often, or all alike"
    )
    rank_loss: Literal["softmax", "listmle", "approx_ndcg"] = Field(
        "softmax", description="listwise loss over the items that a session showed"
    )
    rank_weight: Annotated[float, Field(ge=0)] = Field(
        0.01, description="of the rank loss beside the retrieval loss; 0 turns it off"
    )


class TrainConfig(_Section):
    """`[train]`: optimisation; the number of epochs is chosen on the eval split."""

    epochs: Positive = Field(60, description="at most")
    patience: Positive = Field(
        2, description="epochs without a better validation NDCG@20 before training stops"
    )
    patience_steps: Positive = Field(
        80, description="as many steps at least, too: more epochs where a log is small"
    )
    batch_size: Positive = Field(48, description="users per step")
    min_steps: Positive = Field(
        16, description="of an epoch; the users of a small log are read again until it has as many"
    )
    targets_per_user: Positive = Field(8, description="next sessions predicted per user and step")
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    decay_epochs: Positive = Field(
        12,
        description="over which the learning rate falls along a cosine to nothing; if training may "
        "be longer, only to half, which it has after half of them",
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    weight_average: Share = Field(
        0.98, description="of the average of the weights that is kept at each step"
    )
    unknown_request_time: Share = Field(
        0.1, description="share of training targets whose request time is hidden from the model"
    )
    refit: bool = Field(
        True,
        description="go on from the weights that validation chose, with the validation sessions "
        "too, before the model is served",
    )
    refit_epochs: Positive = Field(2, description="of that")
    warm_start: bool = Field(
        False, description="start from the weights of the newest model in the serving folder"
    )
    warm_epochs: Positive = Field(2, description="at most, when training starts from such weights")
    strategy: Literal["one-device", "mirrored", "multi-worker"] = Field(
        "one-device",
        description="train on one device, on all GPUs of this machine, or with the workers that "
        "TF_CONFIG lists",
    )
    seed: int = 0
