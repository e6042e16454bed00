"""What a seed says of the order of runs: dates one after another, matches, and how many at once.

Drawn apart from everything else, so that a seed without any of it declares what it always did.
"""

import random
from collections.abc import Sequence

from reconciler.model import EpochMs, Match, Parameters, Run, Terms, run_digest
from tests.simulation.clock import DAY_MS, MINUTE_MS
from tests.simulation.declaring import Dates

_DATES = ("2024-03-01", "2024-03-02", "2024-03-03")
_IMPORT, _REPORT = 7, 8  # numbers of manifests that nothing else has
_SITES = "ab"


def ordered(
    rng: random.Random, runs: Sequence[Run], first: EpochMs
) -> tuple[tuple[Run, ...], frozenset[str]]:
    """The runs with what the seed says of their order, and which manifests are sequential.

    `first` is a time in the past at which nothing else is declared, nor in the minutes after it.
    """
    found = [*runs, *(_import_and_report(rng, first) if rng.random() < 0.4 else ())]
    sequential = set()
    for manifest in dict.fromkeys(run.manifest for run in found if "/" in run.name):
        if rng.random() < 0.5:
            sequential.add(manifest)
        most = rng.choice([None, None, 1, 2])
        stop = rng.choice([None, None, 1, 2])
        found = [
            run.but(max_active=most, stop_after=stop) if run.manifest == manifest else run
            for run in found
        ]
    return tuple(found), frozenset(sequential)


def _import_and_report(rng: random.Random, first: EpochMs) -> list[Run]:
    """A backfill, and another that waits for those of its runs that agree."""
    dates, sites = rng.randint(2, 3), rng.randint(1, 2)
    keys = rng.choice([("businessDate",), ("businessDate", "S"), ("S",)])
    imports = _backfill(_IMPORT, first, dates, sites)
    reports = _backfill(_REPORT, EpochMs(first + 2 * MINUTE_MS), dates, rng.randint(1, sites))
    match = Match(names=(imports[0].manifest,), keys=keys)
    waiting = [run.but(depends_on=match.names, matching=(match,)) for run in reports]
    return [*imports, *waiting]


def _backfill(index: int, first: EpochMs, dates: int, sites: int) -> list[Run]:
    runs = []
    times = Dates(
        times={_DATES[-1 - number]: EpochMs(first - number * DAY_MS) for number in range(dates)}
    )
    for number in range(dates):
        for site in _SITES[:sites]:
            time = EpochMs(first - number * DAY_MS + _SITES.index(site) * MINUTE_MS)
            parameters: Parameters = (("S", site), ("OF", f"{index}"))
            runs.append(
                Run(
                    name=f"bf-{index}/{_DATES[-1 - number]}/S={site}",
                    flow_id=2,
                    trigger_time=time,
                    parameters=parameters,
                    digest=run_digest(2, time, parameters),
                    file=f"triggers/{index}.yaml",
                    marks={"": (1, 1)},
                    terms=Terms(times=times),
                )
            )
    return runs


def linked(runs: Sequence[Run], sequential: frozenset[str]) -> tuple[Run, ...]:
    """The runs, each of a sequential manifest after the one before it of the same combination."""
    before: dict[tuple[str, str], str] = {}
    after: dict[str, str | None] = {}
    for run in sorted(runs, key=lambda run: run.turn):
        manifest, _, rest = run.name.partition("/")
        chain = manifest, rest.partition("/")[2]
        if manifest in sequential:
            after[run.name] = before.get(chain)
            before[chain] = run.name
    return tuple(run.but(after=after[run.name]) if run.name in after else run for run in runs)


def loosened(runs: Sequence[Run], manifest: str) -> tuple[Run, ...]:
    """The runs, those of the manifest with larger numbers."""
    return tuple(
        run.but(
            max_active=run.max_active and run.max_active + 1,
            stop_after=run.stop_after and run.stop_after + 1,
        )
        if run.manifest == manifest
        else run
        for run in runs
    )
