"""The pipeline: configuration, components put together, runners, evaluation, command line."""

import model

# TensorFlow must find Keras 2 chosen, whichever of our packages is imported first.
assert model
