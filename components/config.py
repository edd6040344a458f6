"""The configuration of ingestion: the log's form, what a session is, where splits are cut."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model import features


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Section):
    """The log's own column names for the fields of an interaction."""

    user_id: str = "user_id"
    item_id: str = "item_id"
    timestamp: str = "timestamp"
    event: str | None = Field(
        None, description="events need it; without it, every row is an engagement"
    )
    session_id: str | None = Field(None, description="without it, sessions end by a gap")
    further: tuple[str, ...] = Field(
        (), description="more columns to keep with each event, as text, for slices of an evaluation"
    )

    @model_validator(mode="after")
    def _further_are_free(self) -> "Columns":
        taken = {*type(self).model_fields, *features.ALL}
        for name in self.further:
            if name in taken or self.further.count(name) > 1:
                raise ValueError(
                    "further columns must differ from each other and from "
                    f"{', '.join(sorted(taken))}. Received: {name!r}"
                )
        return self

    @property
    def names(self) -> dict[str, str]:
        """The log's name of each field that it has, further columns by their own name."""
        fields = self.model_dump(exclude={"further"}, exclude_none=True)
        return fields | {name: name for name in self.further}


class Events(_Section):
    """What the values of the event column mean.

    An empty `engaged` means every value that is neither `exposed` nor `ignored`; otherwise an
    unlisted value is a bad row.
    """

    engaged: tuple[str, ...] = Field((), description="empty: all that is not listed below")
    exposed: tuple[str, ...] = Field((), description="shown, not engaged with")
    ignored: tuple[str, ...] = Field((), description="rows to leave out")

    @model_validator(mode="after")
    def _disjoint(self) -> "Events":
        listed = [*self.engaged, *self.exposed, *self.ignored]
        repeated = sorted({value for value in listed if listed.count(value) > 1})
        if repeated:
            raise ValueError(
                f"an event value may have one meaning only. Received twice: {repeated}"
            )
        return self


class ItemTable(_Section):
    """Features per item: a Parquet or CSV file with one row an item."""

    path: str = Field(description="ends in .parquet, .pq, .csv, .csv.gz or .csv.zst")
    item_id: str = "item_id"
    features: tuple[str, ...] = Field(
        (),
        description="feature columns: of numbers numeric, of anything else categorical; in a CSV "
        "an empty field is missing, and one that says NA makes its column categorical",
    )
    categorical: tuple[str, ...] = Field(
        (), description="further feature columns whose numbers are codes and not quantities"
    )
    title: str | None = Field(None, description="a column for people to read")


class DataConfig(_Section):
    """`[data]`: the interaction log and the item table."""

    log: str = Field(
        description="a file or a glob: Parquet, CSV or TFRecord of tf.Examples; with {SPAN} or "
        "{YYYY}, {MM} and {DD}, and {VERSION}, as TFX has them, the newest spans and versions"
    )
    spans: Annotated[int, Field(gt=0)] = Field(
        1, description="how many spans are read, up to the newest, where the log has them"
    )
    loader: str | None = Field(
        None,
        description="dotted path of a function that writes the log, and the item table beside it, "
        "into the log's folder; called when the log does not exist",
    )
    columns: Columns = Columns()
    events: Events = Events()
    timestamp_unit: Literal["s", "ms", "us", "ns"] = Field(
        "s", description="of times that are numbers"
    )
    max_bad_rows: Annotated[float, Field(ge=0, le=1)] = Field(
        0.02, description="share of rows that may be dead letters"
    )
    item_table: ItemTable | None = None

    @model_validator(mode="after")
    def _events_have_a_column(self) -> "DataConfig":
        if self.events != Events() and self.columns.event is None:
            listed = self.events.model_dump(mode="json", exclude_defaults=True)
            raise ValueError(
                "events are values of a column: name it with columns.event. Received: "
                f"events = {listed} and no columns.event"
            )
        return self


class SessionsConfig(_Section):
    """`[sessions]`: where one ends when the log does not say, and what is kept of a history."""

    gap_minutes: Annotated[float, Field(gt=0)] = Field(
        30, description="silence that ends a session, where there is no session_id"
    )
    max_sessions: Annotated[int, Field(gt=0)] = Field(
        200, description="latest sessions of a history that are kept"
    )
    max_items: Annotated[int, Field(gt=0)] = Field(
        200, description="items of a session that are kept, engaged ones first"
    )
    dedupe: Literal["item", "row"] = Field(
        "item",
        description="item: a session holds an item once, engaged if any of its rows was; row: only "
        "rows that are the same in every field are one, and the model counts an item's rows where "
        "it says sessions. The target of eval and test holds an item once in any case",
    )
    partitions: Annotated[int, Field(gt=0)] = Field(
        4, description="shards by hash of the user, each the work of one worker"
    )
    rows_in_memory: Annotated[int, Field(gt=0)] = Field(
        1_000_000, description="rows that a worker sorts at a time"
    )


class SplitConfig(_Section):
    """`[split]`: `eval` spans the `eval_days` before the last `test_days` days of the log."""

    protocol: Literal["global-time", "last-session"] = Field(
        "global-time", description="last-session: each user's last session is test, for comparison"
    )
    eval_days: Annotated[float, Field(gt=0)] = Field(14, description="global-time only")
    test_days: Annotated[float, Field(gt=0)] = Field(14, description="global-time only")
    min_sessions: Annotated[int, Field(ge=3)] = Field(
        3, description="last-session only: users with fewer engaged sessions are left out"
    )
