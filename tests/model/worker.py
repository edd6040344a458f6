"""Run as a program by each of several workers: `run_fn` on a transformed tiny log, without dropout.

python worker.py TRANSFORMED OUTPUT --items JSON --base MODEL [--train JSON] [--die-after EPOCH]

TF_CONFIG says which worker.
"""

import argparse
import json
import os
from pathlib import Path

import pytest
from tiny_transform import arguments

from model import fitting, warm_start
from model.trainer import run_fn

# All of a user's sessions are targets whose time is known: nothing is drawn at random.
EVERYTHING = {"targets_per_user": 8, "unknown_request_time": 0.0, "batch_size": 4}


def train(transformed: Path, output: Path, items: dict, base: Path, **settings) -> None:
    """Train from all of the base: the weights that a model is made with differ by strategy."""
    fn_args = arguments(transformed, output, 2, items, **EVERYTHING | settings)
    fn_args.base_model = str(base)
    config = json.loads(fn_args.custom_config["model"]) | {"dropout": 0.0}
    fn_args.custom_config["model"] = json.dumps(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm_start, "KEPT", 1.0)
        run_fn(fn_args)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("transformed", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--items", type=json.loads, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--train", type=json.loads, default={})
    parser.add_argument("--die-after", type=int)
    given = parser.parse_args()

    def info(text: str, *values: object) -> None:
        print(text % values, flush=True)
        if (text % values).startswith(f"epoch {given.die_after} of"):
            os._exit(9)

    fitting.PROGRESS.info = info
    train(given.transformed, given.output, given.items, given.base, **given.train)


if __name__ == "__main__":
    main()
