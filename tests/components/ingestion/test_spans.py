import pytest

from components.config import DataConfig
from components.errors import DataError
from components.ingestion.spans import folder_and_pattern, paths, resolve, span_number


@pytest.fixture
def folder(tmp_path):
    for name in ("2026-02-27", "2026-02-28", "2026-03-02", "2026-03-03"):
        (tmp_path / "day" / name).mkdir(parents=True)
        (tmp_path / "day" / name / "log.csv").write_text(name)
    for name in ("span-8/v1", "span-9/v1", "span-9/v2", "span-10/v1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "log.csv").write_text(name)
    return tmp_path


def found(folder, pattern, spans, newest=""):
    data = DataConfig(log=f"{folder}/{pattern}", spans=spans)
    return [path.removeprefix(f"{folder}/") for path in paths(data, resolve(data, newest))]


def test_days_up_to_the_newest_and_those_that_are_missing(folder):
    pattern = "day/{YYYY}-{MM}-{DD}/*.csv"
    assert found(folder, pattern, 1) == ["day/2026-03-03/*.csv"]
    # Four days from the 28th of February on, of which the first of March is missing.
    assert found(folder, pattern, 4) == [
        "day/2026-03-03/*.csv",
        "day/2026-03-02/*.csv",
        "day/2026-02-28/*.csv",
    ]


@pytest.mark.parametrize("newest", ["2026-03-01", "20513"])
def test_days_up_to_one_that_is_asked_for_and_may_be_missing(folder, newest):
    pattern = "day/{YYYY}-{MM}-{DD}/*.csv"
    assert span_number(newest) == 20513
    assert found(folder, pattern, 2, newest) == ["day/2026-02-28/*.csv"]
    with pytest.raises(DataError, match=f"has no span {newest}"):
        found(folder, pattern, 1, newest)


def test_a_span_that_cannot_be_asked_for(folder):
    with pytest.raises(DataError, match=r"number or a day like .* Received: 'today'"):
        found(folder, "span-{SPAN}/v{VERSION}/log.csv", 1, "today")
    with pytest.raises(DataError, match=r"Span 8 was asked for, but data\.log = .* has none"):
        found(folder, "day/*/*.csv", 1, "8")


@pytest.mark.parametrize(
    ("log", "folder", "pattern"),
    [
        ("data/log.csv", "data", "log.csv"),
        ("/data/*/part-*.parquet", "/data", "*/part-*.parquet"),
        ("gs://bucket/{SPAN}/log.csv", "gs://bucket", "{SPAN}/log.csv"),
        ("log.csv", ".", "log.csv"),
        ("/log.csv", "/", "log.csv"),
    ],
)
def test_a_log_is_a_folder_and_a_pattern(log, folder, pattern):
    assert folder_and_pattern(log) == (folder, pattern)


def test_numbers_and_the_newest_version_of_each(folder):
    pattern = "span-{SPAN}/v{VERSION}/log.csv"
    assert found(folder, pattern, 2) == ["span-10/v1/log.csv", "span-9/v2/log.csv"]
    window = resolve(DataConfig(log=f"{folder}/{pattern}", spans=2))
    assert (window.span, window.version) == (10, 1)
    (folder / "span-9/v2/log.csv").write_text("changed")
    assert resolve(DataConfig(log=f"{folder}/{pattern}", spans=2)) != window


def test_a_plain_log_is_its_own_window(folder):
    assert found(folder, "day/*/*.csv", 3) == ["day/*/*.csv"]


@pytest.mark.parametrize("pattern", ["none-{SPAN}/log.csv", "{SPAN}/{SPAN}.csv", "{VERSION}.csv"])
def test_no_span(folder, pattern):
    with pytest.raises(DataError, match=r"No span of data\.log"):
        found(folder, pattern, 1)
