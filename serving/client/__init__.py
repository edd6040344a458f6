"""A typed client of the recommender, for TensorFlow Serving and the embedded server alike.

with RecommenderClient("127.0.0.1:8500", model_name="groceries") as client:
    history = [[Event("item-1", 1_700_000_000), Event("item-2", 1_700_000_060)]]
    [best] = client.recommend([Request("user-1", history)], k=10)

`AsyncRecommenderClient` is the same with `await`.
"""

import serving.quiet_tensorflow  # noqa: F401  (before the client imports it)
from serving.client.asynchronous import AsyncRecommenderClient
from serving.client.calls import Recommendation, RecommenderError, VersionStatus
from serving.client.synchronous import RecommenderClient
from serving.requests import Event, History, Request, Session

__all__ = [
    "AsyncRecommenderClient",
    "Event",
    "History",
    "Recommendation",
    "RecommenderClient",
    "RecommenderError",
    "Request",
    "Session",
    "VersionStatus",
]
