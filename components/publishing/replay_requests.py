"""Answer recorded requests with a SavedModel; run as a program, it needs nothing else of ours.

`python -I replay_requests.py MODEL EXAMPLES` loads MODEL, replays its warm-up file and compares
with the recorded answers, then sends the same requests with the real users of EXAMPLES (TFRecord)
in place of the recorded ones. Prints one JSON object: the largest score difference by signature,
and how long one user's list takes.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
EXAMPLES = "examples"
# The exported graph and the trainer's may add in another order.
TOLERANCE = 1e-3
TIMED = "serving_default"


def replay(model, model_path: str, examples: list[bytes]) -> dict[str, float]:
    """Largest difference between answers and recorded answers, by signature.

    Args:
      model: loaded from `model_path`.
      model_path: whose warm-up file has the recorded answers.
      examples: of real users, as many a request as the recorded ones have.

    Raises:
      ValueError: an answer differs, a real user gets none, or a signature has no request recorded.
    """
    differences = {}
    # Read before any is replayed: an iterator that stays open is slow to end.
    records = list(tf.data.TFRecordDataset(f"{model_path}/{WARM_UP_FILE}").as_numpy_iterator())
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
        name = log.request.model_spec.signature_name
        inputs = {key: tf.make_ndarray(value) for key, value in log.request.inputs.items()}
        answer = _call(model.signatures[name], inputs)
        differences[name] = max(
            _difference(f"{name}.{key}", answer[key], tf.make_ndarray(value))
            for key, value in log.response.outputs.items()
        )
        size = len(inputs[EXAMPLES])
        for start in range(0, len(examples), size):
            # Repeated where there are too few: the other inputs have as many rows.
            users = np.resize(np.array(examples[start : start + size], object), size)
            _check_answered(name, _call(model.signatures[name], {**inputs, EXAMPLES: users}))
    unchecked = sorted(set(model.signatures) - set(differences))
    if unchecked or not differences:
        raise ValueError(f"{WARM_UP_FILE} has no request for {unchecked or 'any signature'}")
    return differences


def latency(model, examples: list[bytes]) -> dict[str, float]:
    """Milliseconds that a list takes in this process, one user at a time: `p50`, `p99`; `requests`.

    Empty without users.
    """
    if not examples:
        return {}
    milliseconds = []
    for user in [examples[0], *examples]:  # the first call also prepares the graph
        start = time.perf_counter()
        _call(model.signatures[TIMED], {EXAMPLES: np.array([user], object)})
        milliseconds.append(1e3 * (time.perf_counter() - start))
    p50, p99 = np.percentile(milliseconds[1:], (50, 99))
    return {"p50": p50, "p99": p99, "requests": len(examples)}


def _call(signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    answer = signature(**{key: tf.constant(value) for key, value in inputs.items()})
    return {key: value.numpy() for key, value in answer.items()}


def _difference(name: str, got: np.ndarray, expected: np.ndarray) -> float:
    if got.shape != expected.shape:
        raise ValueError(f"{name} has shape {got.shape}, the trainer's {expected.shape}")
    if got.dtype == object:
        # Near ties may swap places; a wrong vocabulary changes the list as a whole.
        same = np.mean(got == expected)
        if same < 0.9:
            raise ValueError(f"{name} agrees with the trainer's in {same:.0%} of its places")
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)):
        raise ValueError(f"{name} is not finite where the trainer's is")
    difference = float(np.abs(got[finite] - expected[finite]).max(initial=0.0))
    if difference > TOLERANCE:
        raise ValueError(f"{name} differs from the trainer's by up to {difference:.2g}")
    return difference


def _check_answered(name: str, answer: dict[str, np.ndarray]) -> None:
    for key, value in answer.items():
        is_given = value != b"" if value.dtype == object else np.isfinite(value)
        if not is_given.reshape(len(value), -1).any(axis=1).all():
            raise ValueError(f"{name}.{key} is empty for a real user")


def main() -> None:
    """Check the model and print what was found, or exit with the reason."""
    model_path, examples_path = sys.argv[1:]
    examples = [record.numpy() for record in tf.data.TFRecordDataset(examples_path)]
    try:
        model = tf.saved_model.load(model_path)
        found = {"differences": replay(model, model_path, examples)}
        print(json.dumps({**found, "latency_ms": latency(model, examples)}))
    except (ValueError, KeyError, OSError, tf.errors.OpError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
