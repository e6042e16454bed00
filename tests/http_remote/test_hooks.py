"""A hook on the server has the last word on every push, also when it changes its mind."""

from pathlib import Path

from tests.environments import assert_each_started_once, runs_of_one_flow_each
from tests.http_remote.hosted import hosted
from tests.repositories import write_hook

RUNS = 2
_DECLINE_ALL = """\
echo "The ledger is closed for the audit, ask Ben." >&2
exit 1
"""
_DECLINE_SECOND_AND_THIRD = """\
grep -q ' refs/heads/' || exit 0
echo push >> pushes
case $(wc -l < pushes) in
  2|3) echo "Too busy, come back later." >&2; exit 1 ;;
esac
"""


def test_where_a_hook_declines_the_claim_its_words_are_shown_and_nothing_starts(
    tmp_path: Path,
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        write_hook(site.setting.origin, "pre-receive", _DECLINE_ALL)
        done = site.run("apply")
        assert done.returncode == 1
        assert "the remote declined the claim, so nothing was started under it" in done.stderr
        assert "The ledger is closed for the audit, ask Ben." in done.stderr
        site.assert_nothing_started()


def test_outcomes_that_a_hook_declines_for_a_while_are_recorded_in_the_end(tmp_path: Path) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        write_hook(site.setting.origin, "pre-receive", _DECLINE_SECOND_AND_THIRD)
        done = site.run("apply")
        assert done.returncode == 0, done.stderr
        pushes = (site.setting.origin / "pushes").read_text().splitlines()
        assert len(pushes) == 4  # the claim, and the outcomes three times
        assert_each_started_once(site.setting, site.sandbox, RUNS)
        assert site.starts() == RUNS
        assert site.commits() == 2
