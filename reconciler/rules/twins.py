"""All runs of one digest, wherever declared or recorded, and which of them is one too many.

A run may have the digest of another only if its `duplicateOf` says so. The name there must cover
every run of that digest that is recorded and no longer declared, because each of them may be the
run itself under its old name. For example, x and z are started, z with `duplicateOf: x`. Then x is
removed and z is renamed to z2. Its `duplicateOf: x` does not account for the start of z.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct, field

from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.model import (
    Digest,
    Run,
    RunId,
    covering_references,
    covers,
    manifest_of,
    run_name,
    run_revision,
)

_MOST_NAMED = 6  # of the runs with the same digest


class Twin(Struct, frozen=True, kw_only=True):
    """A run, and another of the same digest that `duplicateOf` does not account for."""

    run: Run
    name: str  # of the other run
    shown: str  # that name, and where the other run is
    names: tuple[str, ...]  # all names that `duplicateOf` would have to cover
    outside: bool  # the other run is not of this environment
    lost: bool = False  # the other run is recorded here, and no longer declared
    circle: bool = False  # the run waits for the other run, and that one, in the end, for the run


class Pool(Struct, frozen=True, kw_only=True):
    """All runs of one digest, seen from one environment."""

    own: list[Run] = field(default_factory=list)  # declared here
    lost: dict[str, str] = field(default_factory=dict)  # recorded here, and no longer declared
    others: list[Run] = field(default_factory=list)  # declared in other environments
    declared: dict[str, str] = field(default_factory=dict)  # where `others` are, by name
    recorded: dict[str, str] = field(default_factory=dict)  # in other ledgers: where, by name

    @property
    def is_of_one(self) -> bool:
        """Whether only one run has the digest, as nearly always."""
        return len(self.own) == 1 and not (self.lost or self.others or self.recorded)

    @property
    def forsaken(self) -> dict[str, str]:
        """Runs recorded in other ledgers and declared in no other environment: where, by name."""
        return {name: at for name, at in self.recorded.items() if name not in self.declared}


def pools(runs: Sequence[Run], ledger: Ledger, surroundings: Surroundings) -> Mapping[Digest, Pool]:
    """The pool of each digest that more than one run may have."""
    # Search each environment only for these digests, or many environments would cost their square.
    found = _own_pools(runs, ledger, surroundings)
    for digest, pool in _select_started(found, ledger):
        names = {run.name for run in pool.own}
        newest = _newest_revisions(pool.own)
        recorded = [one for one in ledger.started[digest] if not _is_before(one, newest)]
        lost = (name for name in map(run_name, recorded) if name not in names)
        pool.lost.update((name, "recorded") for name in lost)
    for place, other in surroundings.elsewhere.items():
        for digest, pool in _select_started(found, other):
            for recorded_run in other.started[digest]:
                pool.recorded.setdefault(run_name(recorded_run), f"recorded in {place}")
    for environment, others in surroundings.declared.items():
        for run in sorted([run for run in others if run.digest in found], key=lambda run: run.turn):
            found[run.digest].others.append(run)
            where = f"declared in environment {environment} ({run.place})"
            found[run.digest].declared.setdefault(run.name, where)
    return found


def _own_pools(
    runs: Sequence[Run], ledger: Ledger, surroundings: Surroundings
) -> dict[Digest, Pool]:
    """The runs by digest, without those (most) whose digest nothing else has.

    Nor are those there that were all started and mean no other run: none of them is one too many.
    """
    unsettled = {
        run.digest
        for run in runs
        if run.duplicate_of is not None or not ledger.may_have_started(run.id)
    }
    if not unsettled:  # usual, once all runs were started
        return {}
    runs = [run for run in runs if run.digest in unsettled]
    numbers = Counter(run.digest for run in runs)
    shared = {digest for digest, number in numbers.items() if number > 1}
    for others in surroundings.declared.values():
        shared |= {run.digest for run in others if run.digest in numbers}
    ledgers = [other.started for other in surroundings.elsewhere.values()]
    found: dict[Digest, Pool] = defaultdict(Pool)
    started = ledger.started
    for run in runs:
        digest = run.digest
        if (
            digest in shared
            or run.duplicate_of is not None
            or ((recorded := started.get(digest)) and _has_others(recorded, run))
            or (ledgers and any(digest in other for other in ledgers))
        ):
            found[digest].own.append(run)
    return found


def _has_others(recorded: Sequence[RunId], run: Run) -> bool:
    """Whether one of the recorded ids is not an attempt or revision of the run."""
    return recorded != (run.id,) and any(run_name(one) != run.name for one in recorded)


def _newest_revisions(own: Iterable[Run]) -> dict[str, int]:
    """The newest revision among the runs, by each present and former name of their manifests."""
    found: dict[str, int] = {}
    for run in own:
        for name in (run.manifest, *run.formerly):
            found[name] = max(run.revision, found.get(name, 1))
    return found


def _is_before(recorded: RunId, newest: Mapping[str, int]) -> bool:
    """Whether the recorded run is of an earlier revision of its manifest than `newest` has.

    Whoever raises a revision means to run the whole manifest again, whatever its runs are called.
    """
    return run_revision(recorded) < newest.get(manifest_of(run_name(recorded)), 1)


def _select_started(found: Mapping[Digest, Pool], ledger: Ledger) -> list[tuple[Digest, Pool]]:
    return [(digest, pool) for digest, pool in found.items() if digest in ledger.started]


def _references(names: Iterable[str]) -> frozenset[str]:
    """Every reference by which a manifest can mean one of the names."""
    return frozenset(reference for name in names for reference in covering_references(name))


def twins_of(pool: Pool, ledger: Ledger) -> Iterator[Twin]:
    """A twin for each of the pool's own runs that is one too many."""
    if pool.is_of_one:
        return
    runs = [*pool.own, *pool.others]
    named = _references([*(run.name for run in runs), *pool.lost, *pool.recorded])
    originals = [run for run in runs if run.duplicate_of not in named]
    own = [run for run in pool.own if run.duplicate_of not in named]
    unrecorded = [run for run in own if not ledger.may_have_started(run.id)]
    yield from _unaccounted_twins(pool, pool.lost, ledger, outside=False)
    for run in own:
        if pool.lost and not ledger.may_have_started(run.id):
            continue
        # If two runs are both recorded, neither can start again: that is no problem.
        other = _find_other(run, unrecorded if ledger.may_have_started(run.id) else own)
        if other is not None:
            shown = f"{other.name} ({other.place_of('/metadata/name')})"
            yield Twin(run=run, name=other.name, shown=shown, names=(other.name,), outside=False)
    yield from _foreign_twins(pool, originals[len(own) :], named, ledger)
    yield from _circles(pool, originals, ledger)


def _foreign_twins(
    pool: Pool, originals: Sequence[Run], named: Collection[str], ledger: Ledger
) -> Iterator[Twin]:
    """Own runs that another environment records or declares, too; `originals`: declared there."""
    forsaken = pool.forsaken
    yield from _unaccounted_twins(pool, forsaken, ledger, outside=True)
    for run in pool.own:
        if ledger.may_have_started(run.id):
            continue
        if run.name in pool.declared:  # the same name, whatever its `duplicateOf` says
            yield _build_foreign_twin(run, run.name, pool)
        elif originals and not forsaken and run.duplicate_of not in named:
            yield _build_foreign_twin(run, originals[0].name, pool)


def _build_foreign_twin(run: Run, name: str, pool: Pool) -> Twin:
    where = pool.recorded.get(name) or pool.declared[name]
    names = tuple(dict.fromkeys((name, *islice(pool.forsaken, _MOST_NAMED))))
    return Twin(run=run, name=name, shown=f"{name}, which is {where}", names=names, outside=True)


def _unaccounted_twins(
    pool: Pool, recorded: Mapping[str, str], ledger: Ledger, *, outside: bool
) -> Iterator[Twin]:
    """Own runs whose `duplicateOf` does not cover all of `recorded`, or that are recorded there."""
    names = tuple(islice(recorded, _MOST_NAMED))
    missing: dict[str | None, str | None] = {None: next(iter(recorded), None)}
    for run in pool.own if recorded else ():
        of = run.duplicate_of
        if of is not None and of not in missing:
            missing[of] = next((name for name in recorded if not covers(of, name)), None)
        name = run.name if outside and run.name in recorded else missing[of]
        if name is None or ledger.may_have_started(run.id):
            continue
        shown = f"{name}, which is {recorded[name]}"
        yield Twin(run=run, name=name, shown=shown, names=names, outside=outside, lost=not outside)


def _find_other(run: Run, rivals: Iterable[Run]) -> Run | None:
    return next((other for other in rivals if other is not run), None)


def _circles(pool: Pool, originals: Iterable[Run], ledger: Ledger) -> Iterator[Twin]:
    """Own runs that are, through duplicates in other environments, duplicates of themselves.

    Each environment would wait for another one.
    """
    if not pool.others:
        return
    waiting: dict[str, list[Run]] = defaultdict(list)  # by their `duplicateOf`
    for run in (*pool.own, *pool.others):
        if run.duplicate_of is not None:
            waiting[run.duplicate_of].append(run)
    started = [run.name for run in pool.own if ledger.may_have_started(run.id)]
    ahead = [*(run.name for run in originals), *started, *pool.lost, *pool.recorded]
    grounded = set(ahead)
    while ahead:
        for reference in covering_references(ahead.pop()):
            for run in waiting.pop(reference, ()):
                grounded.add(run.name)
                ahead.append(run.name)
    for run in pool.own:
        other = run.duplicate_of
        if other is not None and run.name not in grounded:
            yield Twin(run=run, name=other, shown=other, names=(other,), outside=True, circle=True)
