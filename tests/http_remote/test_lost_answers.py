"""A push whose answer never comes: whether it has landed is found out, and nothing starts twice."""

from pathlib import Path

import pytest

from tests.environments import assert_each_started_once, runs_of_one_flow_each
from tests.http_remote.account import ANA
from tests.http_remote.hosted import Hosted, connect, hosted
from tests.http_remote.losing_proxy import Loss, losing
from tests.sampling import sampled

RUNS = 2
CLAIM, OUTCOMES = 1, 2  # which push of an apply


@pytest.mark.parametrize(
    ("loss", "push"),
    sampled(
        [
            (Loss.ANSWERED_500, CLAIM),
            (Loss.ANSWERED_502, OUTCOMES),
            (Loss.ANSWER_CUT, CLAIM),
            (Loss.ANSWER_DROPPED, CLAIM),
            (Loss.ANSWER_DROPPED, OUTCOMES),
            (Loss.REFUSED_503, CLAIM),
            (Loss.DROPPED, CLAIM),
            (Loss.DROPPED, OUTCOMES),
        ],
        every=9,
    ),
)
def test_what_became_of_a_push_without_an_answer_is_found_out(
    tmp_path: Path, loss: Loss, push: int
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        pushes = _apply_losing(site, push, loss, keep=False)
        assert pushes == (2 if loss.reaches_git else 3)
        _assert_recorded_without_delay(site)


@pytest.mark.long  # every answer that is lost stays
@pytest.mark.parametrize("push", sampled([CLAIM, OUTCOMES], every=2))
def test_a_push_that_curl_sends_again_does_not_lose_the_race_against_itself(
    tmp_path: Path, push: int
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        assert _apply_losing(site, push, Loss.ANSWER_DROPPED, keep=True) == 3
        _assert_recorded_without_delay(site)


def test_an_apply_ends_where_the_remote_turns_every_push_away(tmp_path: Path) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        with losing(site.server.port, None, Loss.REFUSED_503) as proxy:
            connect(site.setting.clone, ANA.url(proxy.port))
            done = site.run("apply")
        assert done.returncode == 1
        assert "returned error: 503" in done.stderr
        assert proxy.pushes == 3  # of one commit: a busy server may take it a moment later
        site.assert_nothing_started()


def _apply_losing(site: Hosted, push: int, loss: Loss, *, keep: bool) -> int:
    """Apply through the proxy, and say how many pushes came there."""
    with losing(site.server.port, push, loss, keep=keep) as proxy:
        connect(site.setting.clone, ANA.url(proxy.port))
        done = site.run("apply")
    connect(site.setting.clone, ANA.url(site.server.port))
    assert done.returncode == 0, done.stderr
    return proxy.pushes


def _assert_recorded_without_delay(site: Hosted) -> None:
    """One claim was enough: nobody waited for it to expire, and nothing was claimed again."""
    assert_each_started_once(site.setting, site.sandbox, RUNS)
    assert site.starts() == RUNS
    assert site.commits() == 2
