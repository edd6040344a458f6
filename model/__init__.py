"""The next-session model: features, preprocessing, encoders, losses, training and signatures."""

import os

# TFX's libraries and TensorFlow Recommenders are Keras 2; this must precede the first
# TensorFlow import of the process, and child processes inherit it.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
