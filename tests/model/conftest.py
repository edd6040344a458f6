"""TensorFlow's messages would hide a failing test's output."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
