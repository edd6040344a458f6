"""A tiny log with an item table, as the examples of its splits.

Vocabulary (two engaged sessions or more), in its order: a (8), b (4), c (3). Item d has one engaged
session, e was only shown; d and z stand in the item table, z with another brand.
"""

from tiny_transform import example

HOUR, DAY = 3600, 86_400
MONDAY = 4 * DAY  # 1970-01-05
ITEMS = "item_id,brand\na,x\nb,y\nc,x\nd,y\nz,x\n"
VOCABULARY = ["a", "b", "c"]


def baskets(*items: str, start: int = MONDAY) -> list:
    """One session a day; capitals were engaged, small letters only shown."""
    return [
        (start + day * DAY, [(item.lower(), int(item.isupper())) for item in session])
        for day, session in enumerate(items)
    ]


TRAIN = [
    baskets("AB", "Ac", "ABd"),
    baskets("A", "BC", "Ae"),
    baskets("CD", "AB"),
    baskets("A", "C"),
    baskets("A"),
]
EVAL = [
    (TRAIN[0], MONDAY + 3 * DAY, [("a", 1), ("c", 0)]),
    (TRAIN[1], MONDAY + 4 * DAY, [("b", 1)]),
    ([], MONDAY + 5 * DAY, [("a", 1)]),
    (TRAIN[2], MONDAY + 5 * DAY, [("e", 1)]),
]


def splits() -> dict[str, list[bytes]]:
    return {
        "train": [example(user) for user in TRAIN],
        "eval": [example(*user) for user in EVAL],
        "refit": [example(user) for user in TRAIN],
    }


def items(found: dict) -> list[list[str]]:
    """The lists of a response."""
    return [[item.decode() for item in row] for row in found["item_id"]]
