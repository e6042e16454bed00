"""Several processes apply the same runs over HTTP, from clones of their own."""

from pathlib import Path

import pytest

from tests.environments import assert_each_started_once, runs_of_one_flow_each
from tests.http_remote.account import ANA
from tests.http_remote.hosted import connect, hosted
from tests.repositories import write_hook
from tests.sampling import sampled

# The first pushes to the branch wait in the server's hook, having seen the same tip, until all of
# them are there.
_WAIT_FOR_EACH_OTHER = """\
grep -q ' refs/heads/' || exit 0
touch "arrived.$$"
for i in $(seq 600); do
  [ $(ls -d arrived.* | wc -l) -ge %d ] && exit 0
  sleep 0.05
done
exit 1
"""


@pytest.mark.parametrize(("appliers", "runs"), sampled([(2, 12), (4, 20)], every=2))
def test_processes_that_race_over_http_start_each_run_once(
    tmp_path: Path, appliers: int, runs: int
) -> None:
    # Starting them one by one, nobody claims more than 10 runs before it knows how long that takes.
    with hosted(tmp_path, runs_of_one_flow_each(runs), claim=15, concurrency=1) as site:
        write_hook(site.setting.origin, "pre-receive", _WAIT_FOR_EACH_OTHER % appliers)
        clones = [site.setting.clone_again(f"clone-{number}") for number in range(appliers)]
        for clone in clones:
            connect(clone, ANA.url(site.server.port))
        processes = [site.setting.start("apply", clone=clone) for clone in clones]
        ends = [process.communicate(timeout=250) for process in processes]
        for process, (_, stderr) in zip(processes, ends, strict=True):
            assert process.returncode == 0, stderr
        assert_each_started_once(site.setting, site.sandbox, runs)
        assert site.starts() == runs
        arrived = len(list(site.setting.origin.glob("arrived.*")))
        assert arrived - site.commits() >= appliers - 1  # so many lost the race, at the least
