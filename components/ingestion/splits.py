"""Which rows are each split's histories, and which session is each user's target."""

from dataclasses import dataclass

import numpy as np

from components.config import SplitConfig
from components.ingestion.ordering import runs
from components.ingestion.sessionize import Sessions
from model import features

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Split:
    """One split's users.

    Attributes:
      users: [users of the split] indices of users, ascending.
      is_history: bool [rows]: rows of their histories.
      target: [users of the split] each user's target session; None in train and refit.
      is_target: bool [rows]: rows of the targets.
    """

    users: np.ndarray
    is_history: np.ndarray
    target: np.ndarray | None
    is_target: np.ndarray


def cut_times(latest: int, split: SplitConfig) -> dict[str, int]:
    """Unix seconds of `global-time`'s cuts; the second after `latest` ends the test split."""
    test_cut = int(latest + 1 - split.test_days * SECONDS_PER_DAY)
    return {
        "eval_cut": int(test_cut - split.eval_days * SECONDS_PER_DAY),
        "test_cut": test_cut,
    }


def global_time(sessions: Sessions, eval_cut: int, test_cut: int) -> dict[str, Split]:
    """Cut by calendar: no split holds anything from after the cut that ends it.

    A target is the user's first session with an engagement that starts between the split's cut and
    the next. A session across a cut is history up to the cut, and never a target of later splits.
    """
    everything = np.ones(len(sessions.session), bool)
    before_eval = sessions.timestamp < eval_cut
    before_test = sessions.timestamp < test_cut
    return {
        features.TRAIN_SPLIT: _train(sessions, before_eval),
        features.EVAL_SPLIT: _with_targets(
            sessions, _first_engaged(sessions, before_test, eval_cut), before_eval, before_test
        ),
        features.TEST_SPLIT: _with_targets(
            sessions, _first_engaged(sessions, everything, test_cut), before_test, everything
        ),
        features.REFIT_SPLIT: _train(sessions, before_test),
    }


def last_session(sessions: Sessions, min_sessions: int) -> dict[str, Split]:
    """Each user's last session with an engagement is test, the second-last eval.

    Histories are the sessions before the target's, less any of their rows from after it started,
    which interleaving session ids can bring. The train split is eval's without targets, the refit
    split test's.
    """
    everything = np.ones(len(sessions.session), bool)
    engaged = np.flatnonzero(_has_engagement(sessions, everything))
    _, first, counts = np.unique(sessions.user[engaged], return_index=True, return_counts=True)
    last = (first + counts - 1)[counts >= min_sessions]

    def split(target: np.ndarray) -> Split:
        end = np.full(len(sessions.user_ids), -1)
        end[sessions.user[target]] = target
        of_row = end[sessions.user[sessions.session]]
        before = sessions.session < of_row
        before &= sessions.timestamp <= sessions.start[of_row]
        return _with_targets(sessions, target, before, everything)

    evaluation, test = split(engaged[last - 1]), split(engaged[last])
    return {
        features.TRAIN_SPLIT: _train(sessions, evaluation.is_history),
        features.EVAL_SPLIT: evaluation,
        features.TEST_SPLIT: test,
        features.REFIT_SPLIT: _train(sessions, test.is_history),
    }


def _train(sessions: Sessions, is_history: np.ndarray) -> Split:
    of_row = sessions.user[sessions.session[is_history]]
    users = of_row[runs(of_row)[0]]
    return Split(users, is_history, None, np.zeros_like(is_history))


def _with_targets(
    sessions: Sessions, target: np.ndarray, is_history: np.ndarray, is_known: np.ndarray
) -> Split:
    users = sessions.user[target]
    has_target = np.zeros(len(sessions.user_ids), bool)
    has_target[users] = True
    is_target = np.zeros(len(sessions.user), bool)
    is_target[target] = True
    return Split(
        users,
        is_history & has_target[sessions.user[sessions.session]],
        target,
        is_known & is_target[sessions.session],
    )


def _has_engagement(sessions: Sessions, is_known: np.ndarray) -> np.ndarray:
    """bool [sessions]: whether any known row of the session is an engagement."""
    rows = sessions.session[is_known & sessions.engaged]
    return np.bincount(rows, minlength=len(sessions.user)) > 0


def _first_engaged(sessions: Sessions, is_known: np.ndarray, cut: int) -> np.ndarray:
    """Each user's first session with a known engagement that starts at or after `cut`."""
    candidates = np.flatnonzero(_has_engagement(sessions, is_known) & (sessions.start >= cut))
    _, first = np.unique(sessions.user[candidates], return_index=True)
    return candidates[first]
