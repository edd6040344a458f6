"""Ingestion by Beam with an element for each event, as its tutorials write it."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components.ingestion.ingest import IngestConfig
from components.ingestion.splits import cut_times

Event = tuple[int, str, bool]  # timestamp, item, whether only shown: sorts engaged ones first
SPLITS = ("train", "eval", "test", "refit")


def ingest_naive(paths: list[str], config: IngestConfig, uri: str) -> None:
    """Write the splits of `global-time` under `uri`; `paths` are all of one kind."""
    names = config.data.columns
    exposed = set(config.data.events.exposed)

    def to_event(row: dict[str, str | int]) -> tuple[str, Event]:
        is_shown = row[str(names.event)] in exposed
        return str(row[names.user_id]), (
            int(row[names.timestamp]),
            str(row[names.item_id]),
            is_shown,
        )

    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        files = pipeline | beam.Create(paths)
        if paths[0].endswith(".parquet"):
            rows = files | beam.io.ReadAllFromParquet()
        else:
            header = ("user_id", "item_id", "timestamp", "event")
            rows = (
                files
                | beam.io.ReadAllFromText(skip_header_lines=1)
                | beam.Map(
                    lambda line: dict(zip(header, line.replace('"', "").split(","), strict=True))
                )
            )
        events = rows | beam.Map(to_event)
        latest = (
            events
            | "Times" >> beam.Map(lambda event: event[1][0])
            | beam.CombineGlobally(max).without_defaults()
        )
        parts = (
            events
            | beam.GroupByKey()
            | beam.FlatMap(_examples, config, beam.pvalue.AsSingleton(latest))
            | beam.Partition(_split, len(SPLITS))  # type: ignore[arg-type]
        )
        for split, part in zip(SPLITS, parts, strict=True):
            _ = (
                part
                | f"{split}Bytes" >> beam.Map(lambda example: example[1])
                | f"{split}Write"
                >> beam.io.WriteToTFRecord(
                    f"{uri}/Split-{split}/data_tfrecord", file_name_suffix=".gz"
                )
            )


def _examples(
    grouped: tuple[str, Iterable[Event]], config: IngestConfig, latest: int
) -> Iterator[tuple[str, bytes]]:
    user, events = grouped
    sessions: list[list[Event]] = []
    for event in sorted(events):
        if not sessions or event[0] - sessions[-1][-1][0] >= config.sessions.gap_minutes * 60:
            sessions.append([])
        sessions[-1].append(event)
    cuts = cut_times(latest, config.split)
    ends = {"eval": (cuts["eval_cut"], cuts["test_cut"]), "test": (cuts["test_cut"], latest + 1)}
    for split, (cut, end) in ends.items():
        history = _history(user, sessions, cut, config)
        if history["item_id"]:
            yield {"eval": "train", "test": "refit"}[split], _serialized(history)
        for session in sessions:
            known = [event for event in session if event[0] < end]
            if session[0][0] >= cut and any(not shown for _, _, shown in known):
                target = _merged(known)
                items = {
                    "request_timestamp": [session[0][0]],
                    "target_item_id": [item for _, item, _ in target],
                    "target_engaged": [engaged for _, _, engaged in target],
                }
                yield split, _serialized(history | items)
                break


def _split(example: tuple[str, bytes], splits: int) -> int:
    return SPLITS.index(example[0])


def _merged(session: list[Event]) -> list[tuple[int, str, int]]:
    found: dict[str, tuple[int, str, int]] = {}
    for time, item, is_shown in session:
        first = found.get(item, (time, item, 0))
        found[item] = (*first[:2], max(first[2], int(not is_shown)))
    return list(found.values())


def _history(user: str, sessions: list[list[Event]], cut: int, config: IngestConfig) -> dict:
    limits = config.sessions
    known = ([event for event in session if event[0] < cut] for session in sessions)
    recent = [_merged(session) for session in known if session][-limits.max_sessions :]
    kept = []
    for session in recent:
        best = sorted(range(len(session)), key=lambda at: (-session[at][2], -at))
        kept.append([session[at] for at in sorted(best[: limits.max_items])])
    events = [event for session in kept for event in session]
    return {
        "user_id": [user],
        "item_id": [item for _, item, _ in events],
        "engaged": [engaged for _, _, engaged in events],
        "timestamp": [time for time, _, _ in events],
        "session_length": [len(session) for session in kept],
    }


def _serialized(values: dict[str, list]) -> bytes:
    example = tf.train.Example()
    for name, found in values.items():
        if name.endswith(("user_id", "item_id")):
            example.features.feature[name].bytes_list.value.extend(v.encode() for v in found)
        else:
            example.features.feature[name].int64_list.value.extend(found)
    return example.SerializeToString(deterministic=True)
