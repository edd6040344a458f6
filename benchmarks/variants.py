"""The model, its ablations and its next-item baseline, as settings that `--set` takes."""

from collections.abc import Mapping
from types import MappingProxyType

from model.config import ModelConfig

MODEL, NIPP = "sessionrec", "nipp"
# The model with only those terms of the score that NIPP has.
NO_COUNTS = f"{MODEL}-no-counts"

# An item is less to learn from than a session: more targets a step, and time to learn them.
_NEXT_ITEM = (
    "model.paradigm=next-item",
    "train.targets_per_user=20",
    "train.decay_epochs=20",
    "train.patience=3",
)
_COUNTS_OFF = (
    "model.repeat=false",
    "model.follow=false",
    "model.together=false",
    "model.trend=false",
)
_DEFAULTS = ModelConfig()

VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        MODEL: (),
        NIPP: (*_NEXT_ITEM, *_COUNTS_OFF),
        f"{NIPP}-counts": _NEXT_ITEM,
        NO_COUNTS: _COUNTS_OFF,
        f"{MODEL}-no-rank": ("model.rank_weight=0",),
        f"{MODEL}-no-repeat": ("model.repeat=false",),
        f"{MODEL}-no-follow": ("model.follow=false",),
        f"{MODEL}-no-together": ("model.together=false",),
        f"{MODEL}-no-trend": ("model.trend=false",),
        f"{MODEL}-no-last-items": ("model.last_items=false",),
        f"{MODEL}-no-features": ("data.item_table.features=[]",),
        f"{MODEL}-no-request-time": ("model.request_time=false",),
        **{
            f"{MODEL}-ise-{name}": (f"model.session_encoder={name}",)
            for name in ("mean", "max", "attention", "transformer")
            if name != _DEFAULTS.session_encoder
        },
        **{
            f"{MODEL}-sse-{name}": (f"model.sequence_encoder={name}",)
            for name in ("transformer", "hstu", "gru", "hybrid")
            if name != _DEFAULTS.sequence_encoder
        },
    }
)
