"""Run as a program by each of several workers: `run_fn` on a transformed tiny log, without dropout.

python worker.py TRANSFORMED OUTPUT [--train JSON] [--base MODEL] [--die-after EPOCH] [--export]

It writes the trained weights to OUTPUT/weights.npz and, if asked, the SavedModel.

TF_CONFIG says which worker.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from tiny_transform import arguments

from model import fitting, trainer, warm_start
from model.export import export
from model.signatures import Servable

# All of a user's sessions are targets whose time is known: nothing is drawn at random.
EVERYTHING = {"targets_per_user": 8, "unknown_request_time": 0.0, "batch_size": 4}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("transformed", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--train", type=json.loads, default={})
    parser.add_argument("--base")
    parser.add_argument("--die-after", type=int)
    parser.add_argument("--export", action="store_true")
    given = parser.parse_args()
    settings = EVERYTHING | given.train
    fn_args = arguments(given.transformed, given.output, 2, **settings)
    fn_args.base_model = given.base
    config = json.loads(fn_args.custom_config["model"]) | {"dropout": 0.0}
    fn_args.custom_config["model"] = json.dumps(config)

    def info(text: str, *values: object) -> None:
        print(text % values, flush=True)
        if (text % values).startswith(f"epoch {given.die_after} of"):
            os._exit(9)

    def write(servable: Servable, *rest: object) -> None:
        weights = [weight.numpy() for weight in servable.model.trainable_variables]
        np.savez(given.output / "weights.npz", *weights)
        if given.export:
            export(servable, *rest)

    fitting.PROGRESS.info = info
    trainer.export = write
    # All of the base: the weights that a model is made with differ between strategies.
    warm_start.KEPT = 1.0
    trainer.run_fn(fn_args)


if __name__ == "__main__":
    main()
