"""A small gRPC server that answers as TensorFlow Serving does, for laptops and tests.

`python -m serving.server --help` lists the flags; `model_server.ModelServer` is the same server
in-process.
"""
