"""The ops of a SavedModel."""

from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry


def functions_of(exported: Path) -> dict:
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((exported / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    library = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    return library | {"": graph.graph_def.node}


def foreign_ops(exported: Path) -> set[str]:
    """Ops that a stock TensorFlow Serving does not have."""
    functions = functions_of(exported)
    ops = {node.op for nodes in functions.values() for node in nodes} - set(functions)
    assert ops
    return {op for op in ops if op_def_registry.get(op) is None or "PyFunc" in op or "Scann" in op}
