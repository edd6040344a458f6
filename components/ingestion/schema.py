"""The schema of what ingestion writes, as the configuration makes it."""

from collections.abc import Sequence

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.ingestion import SCHEMA
from model import features


def schema_text(further: Sequence[str]) -> str:
    """`SCHEMA` as text, with further columns of the log as features of events, like the item id."""
    text = SCHEMA.read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    [item_id] = (feature for feature in schema.feature if feature.name == features.ITEM_ID)
    tensors = schema.tensor_representation_group[""].tensor_representation
    for name in further:
        schema.feature.add().CopyFrom(item_id)
        schema.feature[-1].name = name
        tensors[name].CopyFrom(tensors[features.ITEM_ID])
        tensors[name].ragged_tensor.feature_path.step[:] = [name]
    return text_format.MessageToString(schema) if further else text
