"""The part of very long user logs that is kept, so that one user fits into a worker's memory."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.ingestion.canonical import SESSION_ID
from components.ingestion.ordering import order_by, runs
from components.ingestion.sessionize import code, code_further
from model import features

# However short histories are: a row that none of them holds, of an item that was only shown say,
# counts here too. The default settings give as many.
FEWEST_ROWS = 40_000


def keep_recent(rows: pa.Table, limit: int, cuts: Sequence[int]) -> pa.Table:
    """The rows without the older ones of users with very many.

    Of each user and each period between the cuts, the latest `limit` rows are kept, which the
    histories that end with it come from. After the first cut, so are the first `limit` rows, which
    the targets come from. What is kept does not depend on the rows' order, and is the same when
    the function was applied to parts of them before.

    Args:
      rows: as `canonical.interactions_schema` says.
      limit: rows of a user and period.
      cuts: unix seconds, ascending; the period of a cut starts with it.
    """
    users = rows[features.USER_ID].combine_chunks().dictionary_encode()
    user = users.indices.to_numpy()
    is_heavy = np.bincount(user, minlength=len(users.dictionary)) > limit
    if not is_heavy.any():
        return rows
    heavy = np.flatnonzero(is_heavy[user])
    table = rows.take(pa.array(heavy))
    time = table[features.TIMESTAMP].to_numpy()
    period = np.searchsorted(cuts, time, side="right")
    group = user[heavy] * (len(cuts) + 1) + period
    _, item = code(table[features.ITEM_ID])
    _, session = code(table[SESSION_ID])
    engaged = table[features.ENGAGED].to_numpy()
    ties = (index for _, index in code_further(table).values())
    order = order_by((group, time, item, ~engaged, session, *ties))
    first, counts = runs(group[order])
    place = np.arange(len(order)) - np.repeat(first, counts)
    is_kept = place >= np.repeat(counts, counts) - limit
    is_kept |= (period[order] > 0) & (place < limit)
    remains = np.ones(rows.num_rows, bool)
    remains[heavy[order[~is_kept]]] = False
    return rows.filter(pa.array(remains))
