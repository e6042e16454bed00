"""What a seed declares: runs and backfills that wait for one another, are tried again, are moved.

Every declared set can be carried out: no circle, and a minute of its own for every run, unless a
gateway is known to cope with several.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model import EpochMs, Parameters, Retry, Run, Stagger, run_digest
from tests.simulation.clock import DAY_MS, MINUTE_MS, START

BAD_ENDS = ("FAIL", "TIMEOUT", "CANCEL", "INTERNAL_ERROR", "SKIP")

_THIS_MINUTE = START // MINUTE_MS
_LONG_AGO, _FAR_AHEAD = _THIS_MINUTE - 90, _THIS_MINUTE + 90_000  # minutes
_SOON = START + 15_000
_INTO_THE_MINUTE = (7_300, 0, 29_500, 59_700)  # milliseconds
_LATER = 10 * MINUTE_MS  # by which an edit moves a backfill: where no other run is declared
_FIRST_WIDE = 40  # flow, and minute, of those that no other run has
_DATES = ("2024-03-01", "2024-03-02")


class Dates(Struct, frozen=True):
    """The times of every backfill: one on each date."""

    times: Mapping[str, EpochMs]
    counted_from: date | None = None

    def instant(self, label: str) -> EpochMs | None:
        return self.times.get(label)

    def passes_over(self, day: date) -> bool:  # noqa: ARG002 - of all steps but those of months
        return False


_MORE_PARAMETERS: tuple[Parameters, ...] = ((), (("DAY", "${cal_dt}"),), (("N", "012"),))


def declared_runs(rng: random.Random, *, same_minute: bool) -> tuple[Run, ...]:
    """The runs of one to five manifests, and of duplicates; each depends on earlier ones only."""
    runs: list[Run] = []
    for index in range(rng.randint(1, 5)):
        depends_on = _depends_on(rng, runs)
        minute = rng.randint(0, index) if same_minute else index
        runs += _manifest(rng, index, minute, depends_on)
    originals = [run for run in runs if run.stagger is None]
    if originals and rng.random() < 0.15:
        original = rng.choice(originals)
        depends_on = _depends_on(rng, runs)
        runs.append(
            original.but(
                name="duplicate",
                duplicate_of=original.name,
                depends_on=depends_on,
                file="triggers/duplicate.yaml",
            )
        )
    return tuple(runs)


def minute_of_its_own(index: int) -> EpochMs:
    """A time in the past that no run of `declared_runs` has."""
    return EpochMs((_LONG_AGO + index) * MINUTE_MS)


def of_many_flows(rng: random.Random, *, bare: bool) -> tuple[Run, ...]:
    """Runs of a flow and a minute of their own that wait for nothing: enough for several claims.

    `bare`: without parameters, so that their nonce is all that tells them from what others start.
    """
    return tuple(
        _run(
            f"wide-{flow_id}",
            flow_id,
            minute_of_its_own(flow_id),
            () if bare else (("SITE", f"cn-{flow_id}"),),
            file=f"triggers/wide-{flow_id}.yaml",
        )
        for flow_id in range(_FIRST_WIDE, _FIRST_WIDE + rng.randint(4, 8))
    )


def _run(
    name: str, flow_id: int, time: EpochMs, parameters: Parameters, *, file: str, **more: Any
) -> Run:
    return Run(
        name=name,
        flow_id=flow_id,
        trigger_time=time,
        parameters=parameters,
        digest=run_digest(flow_id, time, parameters),
        file=file,
        marks={"": (1, 1)},
    ).but(**more)


def revised(run: Run, *, anew: bool) -> Run:
    """The run with `revision: 2`, perhaps with other parameters."""
    parameters = (*run.parameters, ("AGAIN", "yes")) if anew else run.parameters
    time = EpochMs(run.trigger_time)
    digest = run_digest(run.flow_id, time, parameters)
    return run.but(revision=2, parameters=parameters, digest=digest)


def edited(run: Run, *, key: bool, again: bool) -> Run:
    """The run of a backfill whose matrix gets a key, or whose dates get another hour."""
    manifest, label, *pairs = run.name.split("/")
    time, parameters, times = run.trigger_time, run.parameters, run.times
    if key:
        pairs, parameters = [*pairs, "K=x"], (*parameters, ("K", "x"))
    else:
        assert isinstance(times, Dates)
        label, time = f"{label}T12:30", EpochMs(time + _LATER)
        later = {f"{one}T12:30": EpochMs(at + _LATER) for one, at in times.times.items()}
        times = replace(times, times=later)
    moved = run.stagger and replace(run.stagger, before=EpochMs(run.stagger.before + _LATER))
    return run.but(
        name="/".join((manifest, label, *pairs)),
        trigger_time=time,
        parameters=parameters,
        digest=run_digest(run.flow_id, time, parameters),
        times=times,
        stagger=run.stagger if key else moved,
        again=again,
    )


def _depends_on(rng: random.Random, earlier: Sequence[Run]) -> tuple[str, ...]:
    """Nothing, a chain's last, or a fan: runs, whole backfills, or all of a backfill's date."""
    names = {name: None for run in earlier for name in _references(run)}
    if not names or rng.random() < 0.4:
        return ()
    return tuple(rng.sample(list(names), min(len(names), rng.choice([1, 1, 2, 3]))))


def _references(run: Run) -> list[str]:
    parts = run.name.split("/")
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


def _manifest(
    rng: random.Random, index: int, minute: int, depends_on: tuple[str, ...]
) -> list[Run]:
    flow_id = rng.randint(1, 3)
    first = _first_time(rng, minute)
    retry = None
    if rng.random() < 0.5:
        on = rng.sample(BAD_ENDS, rng.randint(1, len(BAD_ENDS)))
        retry = Retry(max=rng.randint(1, 2), on=frozenset(on))
    shape = rng.choice(["run", "run", "run", "days", "sites", "sites"])
    staggered = shape == "sites"
    dates, sites = {"run": (1, 1), "days": (2, 1), "sites": (rng.randint(1, 2), 2)}[shape]
    if staggered and rng.random() < 0.5:
        first = EpochMs(first - rng.randint(0, 3) * MINUTE_MS)  # among those of other manifests
    step = rng.choice([1, 1, 2]) * MINUTE_MS
    more = rng.choice(_MORE_PARAMETERS)
    newest_first = rng.random() < 0.3
    not_after = EpochMs(START + rng.randint(5_000, 60_000)) if rng.random() < 0.1 else None
    runs = []
    times = {label: EpochMs(first - number * DAY_MS) for number, label in enumerate(_DATES)}
    for number in range(dates):
        # The later dates lie before the first one, so that there is less to wait for.
        time = EpochMs(first - number * DAY_MS)
        for site in range(sites):
            parameters: Parameters = (("SITE", f"cn-{index}-{site}"), *more)
            name = f"run-{index}" if shape == "run" else f"bf-{index}/{_DATES[number]}"
            runs.append(
                _run(
                    f"{name}/S={'ab'[site]}" if staggered else name,
                    flow_id,
                    time,
                    parameters,
                    file=f"triggers/{index}.yaml",
                    depends_on=depends_on,
                    retry=retry,
                    not_after=not_after,
                    cancel=False,
                    times=None if shape == "run" else Dates(times=times),
                    sequence=EpochMs(2 * START - time) if newest_first else None,
                    stagger=Stagger(step=step, before=EpochMs(time + 20 * step))
                    if staggered
                    else None,
                )
            )
    return runs


def _first_time(rng: random.Random, index: int) -> EpochMs:
    """Most lie in the past; some fall due while the appliers are at work, or long after."""
    when = rng.choice(["past", "past", "past", "past", "past", "past", "soon", "soon", "far"])
    if when == "soon":
        return EpochMs(_SOON + index * MINUTE_MS)
    minute = _LONG_AGO if when == "past" else _FAR_AHEAD
    return EpochMs((minute + index) * MINUTE_MS + rng.choice(_INTO_THE_MINUTE))
