import asyncio
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
from fake_recommender import save_fake_recommender
from peers import flags, wait_until
from serving_models import publish
from tensorflow_serving.apis import prediction_service_pb2_grpc

from serving.client import (
    AsyncRecommenderClient,
    Event,
    Recommendation,
    RecommenderClient,
    RecommenderError,
    Request,
    VersionStatus,
)
from serving.server.model_server import ModelServer

NAME = "shop"
NEW_USER = Request("new")
SAW_A_AND_C = Request("old", [[Event("a", 1)], [Event("c", 9), Event("zzz", 9, engaged=False)]])
BOTH = [NEW_USER, SAW_A_AND_C]


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    root = tmp_path_factory.mktemp("client")
    save_fake_recommender(root / "model")
    publish(root / "model", root / "served", 1)
    with ModelServer(flags(root / "served", NAME)) as server:
        yield server.target


class Blocking:
    """AsyncRecommenderClient behind RecommenderClient's methods, each call awaited to its end."""

    def __init__(self, target: str, **options):
        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(self._open(target, options))

    async def _open(self, target: str, options: dict) -> AsyncRecommenderClient:
        return AsyncRecommenderClient(target, **options)

    def __getattr__(self, name: str):
        method = getattr(self._client, name)
        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
        self._loop.close()


@pytest.fixture(params=[RecommenderClient, Blocking], ids=["sync", "asyncio"])
def kind(request):
    """Makes a client; every test that takes it runs with both kinds."""
    return request.param


@pytest.fixture
def client(kind, target):
    with kind(target, model_name=NAME) as recommender_client:
        yield recommender_client


def ids(answer: list[list[Recommendation]]) -> list[list[str]]:
    return [[recommendation.item_id for recommendation in row] for row in answer]


def test_recommend_gives_ids_and_scores_best_first(client):
    assert client.recommend(BOTH, k=2) == [[Recommendation("a", 4.0), Recommendation("b", 3.0)]] * 2


def test_recommend_drops_the_slots_past_what_there_is(client):
    assert ids(client.recommend([NEW_USER], k=100)) == [["a", "b", "c", "d"]]


def test_recommend_excludes(client):
    assert ids(client.recommend(BOTH, exclude_item_ids=["b"])) == [["a", "c", "d"]] * 2
    assert ids(client.recommend(BOTH, exclude_seen=True)) == [["a", "b", "c", "d"], ["b", "d"]]
    assert ids(client.recommend(BOTH, exclude_item_ids=["a", "b", "c", "d"])) == [[], []]


def test_rank_keeps_the_candidates_order_and_number(client):
    assert client.rank(BOTH, [["b", "unknown"], ["a"]]) == [[1.0, 7.0], [1.0]]
    assert client.rank([NEW_USER], [[]]) == [[]]


def test_encode(client):
    embeddings = client.encode(BOTH)
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, [[0, 0], [3, 2]])


def test_status(client):
    assert client.status() == [VersionStatus(1, "AVAILABLE", "")]


def test_one_client_serves_many_threads(target):
    with (
        RecommenderClient(target, model_name=NAME) as client,
        futures.ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.recommend(BOTH, exclude_seen=True), range(40)))
    assert all(ids(answer) == [["a", "b", "c", "d"], ["b", "d"]] for answer in answers)


def test_asyncio_calls_run_at_once(target):
    async def ask() -> list:
        async with AsyncRecommenderClient(target, model_name=NAME) as client:
            calls = [client.recommend(BOTH, exclude_seen=True) for _ in range(40)]
            return await asyncio.gather(*calls)

    assert all(ids(answer) == [["a", "b", "c", "d"], ["b", "d"]] for answer in asyncio.run(ask()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.recommend([]), "at least one request. Received: none"),
        (lambda c: c.recommend(BOTH, k=0), "k must be at least 1. Received: 0"),
        (lambda c: c.recommend(BOTH, exclude_item_ids="ab"), "Received: 'ab'"),
        (lambda c: c.recommend(BOTH, exclude_item_ids=["a", ""]), "Item ids must be non-empty"),
        (lambda c: c.rank(BOTH, [["a"]]), "Received: 1 lists for 2 requests"),
        (
            lambda c: RecommenderClient("h:1", model_name=NAME, timeout_seconds=0),
            "timeout_seconds must be positive. Received: 0",
        ),
        (
            lambda c: RecommenderClient("h:1", model_name=NAME, max_message_bytes=0),
            "max_message_bytes must be positive. Received: 0",
        ),
    ],
)
def test_unusable_arguments_are_refused(client, call, message):
    with pytest.raises(ValueError, match=message):
        call(client)


def test_an_error_tells_the_target_the_code_and_what_to_do(kind, target):
    with (
        kind(target, model_name="other") as client,
        pytest.raises(RecommenderError) as caught,
    ):
        client.recommend([NEW_USER])
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert caught.value.details == "Servable not found for request: Latest(other)"
    assert str(caught.value) == (
        f"The call to {target} ended with NOT_FOUND: "
        "Servable not found for request: Latest(other). "
        "Check model_name and that the folder served holds a version."
    )


class Scripted(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Ends calls with the codes given, in turn; None takes longer than any test waits."""

    def __init__(self, *codes: grpc.StatusCode | None):
        self.codes = list(codes)
        self.calls = 0
        self.released = threading.Event()

    def Predict(self, request, context):  # noqa: N802
        code = self.codes[min(self.calls, len(self.codes) - 1)]
        self.calls += 1
        if code is None:
            self.released.wait()
        else:
            context.abort(code, "scripted")


@pytest.fixture
def scripted():
    """Starts a server with a script; returns its target."""
    started = []

    def start(service: Scripted, port: int = 0) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(2))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        started.append((service, server))
        return f"127.0.0.1:{bound}"

    yield start
    for service, server in started:
        service.released.set()
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("codes", "calls"),
    [
        ([grpc.StatusCode.UNAVAILABLE], 5),
        ([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL], 2),
        ([grpc.StatusCode.INTERNAL], 1),
        ([grpc.StatusCode.RESOURCE_EXHAUSTED], 1),
    ],
)
def test_only_unavailable_is_tried_again(kind, scripted, codes, calls):
    service = Scripted(*codes)
    with (
        kind(scripted(service), model_name=NAME, timeout_seconds=20.0) as client,
        pytest.raises(RecommenderError, match=codes[-1].name),
    ):
        client.recommend([NEW_USER])
    assert service.calls == calls


def test_the_deadline_bounds_a_call(kind, scripted):
    with (
        kind(scripted(Scripted(None)), model_name=NAME, timeout_seconds=0.2) as client,
        pytest.raises(RecommenderError, match="timeout_seconds") as caught,
    ):
        client.encode([NEW_USER])
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_nobody_there_is_unavailable(kind):
    with (
        kind("127.0.0.1:1", model_name=NAME) as client,
        pytest.raises(RecommenderError) as caught,
    ):
        client.status()
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "Check that a server is running" in str(caught.value)


def test_nobody_there_until_the_deadline_is_advised_on_too(kind):
    with (
        kind("127.0.0.1:1", model_name=NAME, timeout_seconds=0.05) as client,
        pytest.raises(RecommenderError, match="check that a server is running") as caught,
    ):
        client.status()
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_large_request_is_tried_again(kind, scripted):
    service = Scripted(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
    long_ago = Request("u", [[Event(f"item-{i}", i) for i in range(50_000)]])
    with (
        kind(scripted(service), model_name=NAME, timeout_seconds=20.0) as client,
        pytest.raises(RecommenderError, match="INTERNAL"),
    ):
        client.recommend([long_ago])
    assert service.calls == 2


def test_a_message_over_the_limit_is_refused(kind, target):
    with (
        kind(target, model_name=NAME, max_message_bytes=200) as client,
        pytest.raises(RecommenderError, match="larger max_message_bytes") as caught,
    ):
        client.recommend([Request("u" * 200)])
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_calls_are_spread_over_all_addresses(kind, scripted):
    services = [Scripted(grpc.StatusCode.INTERNAL) for _ in range(2)]
    target = "ipv4:" + ",".join(scripted(service) for service in services)
    with kind(target, model_name=NAME) as client:
        wait_until(
            lambda: refused(client) and all(service.calls for service in services),
            lambda: str([service.calls for service in services]),
        )


def refused(client) -> bool:
    with pytest.raises(RecommenderError, match="INTERNAL"):
        client.encode([NEW_USER])
    return True
