"""What a run may depend on: all runs that a name means, or only those that agree with it.

Two runs agree in a key if both have it, with the same value. `businessDate` is the date that a run
processes, whatever its parameters say; every other key is a parameter.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from urllib.parse import unquote

from msgspec import Struct

from reconciler.ledger import Ledger, Record
from reconciler.model import Match, Run, combination_of, covering_references, run_name
from reconciler.times import business_date

BUSINESS_DATE = "businessDate"


class Agreeing(Struct, frozen=True, kw_only=True):
    """The runs that any of those names means and that have those values."""

    names: tuple[str, ...]
    values: tuple[tuple[str, str | None], ...]  # key and value; None: the waiting run lacks the key

    @property
    def name(self) -> str:
        """The name in the manifest, or the one that replaced it last."""
        return self.names[-1]

    @property
    def keys(self) -> str:
        """The keys, for a message."""
        return ", ".join(key for key, _ in self.values)

    @property
    def is_whole(self) -> bool:
        """Whether every key has a value; otherwise nothing agrees."""
        return all(value is not None for _, value in self.values)


Reference = str | Agreeing


def references(run: Run, zone: tzinfo) -> tuple[Reference, ...]:
    """The names and groups of agreeing runs that the run's `dependsOn` means."""
    if not run.matching:
        return run.depends_on
    matched = {name for one in run.matching for name in one.names}
    return (*(name for name in run.depends_on if name not in matched), *matched_groups(run, zone))


def matched_groups(run: Run, zone: tzinfo) -> list[Agreeing]:
    """The groups that the run's matches mean, one for each match."""
    has = _Values(run, zone)
    return [has.agreeing_group(one) for one in run.matching]


class _Values:
    """The values that a run has for keys."""

    def __init__(self, run: Run, zone: tzinfo) -> None:
        self._run = run
        self._zone = zone
        self._parameters = dict(run.parameters)

    def agreeing_group(self, match: Match) -> Agreeing:
        """The group of the runs that agree with this one."""
        return Agreeing(
            names=match.names, values=tuple((key, self._value_of(key)) for key in match.keys)
        )

    def _value_of(self, key: str) -> str | None:
        if key == BUSINESS_DATE:
            return business_date(self._run.trigger_time, self._zone).isoformat()
        return self._parameters.get(key)


def has_key(run: Run, key: str) -> bool:
    """Whether the run has a value for the key, so that it can agree with another run."""
    return key == BUSINESS_DATE or any(name == key for name, _ in run.parameters)


class Groups:
    """Which runs agree, for the matches of all runs. Each run is read once for each match."""

    def __init__(self, runs: Sequence[Run], ledger: Ledger, zone: tzinfo) -> None:
        self._zone = zone
        self._by_name: dict[str, list[Match]] = defaultdict(list)
        for match in dict.fromkeys(one for run in runs for one in run.matching):
            for name in match.names:
                self._by_name[name].append(match)
        self._declared: dict[Agreeing, list[Run]] = defaultdict(list)
        self._recorded: dict[Agreeing, list[Record]] = defaultdict(list)
        if not self._by_name:
            return
        for run in sorted(runs, key=lambda run: run.turn):
            for group in self.of(run):
                self._declared[group].append(run)
        names = {run.name for run in runs}
        for record in ledger.records.values():
            if run_name(record.run) not in names:
                for match in self._matches(run_name(record.run)):
                    group = self._agreeing_group(match, record)
                    if group.is_whole:
                        self._recorded[group].append(record)

    def of(self, run: Run) -> list[Agreeing]:
        """The groups that this run belongs to, and that other runs may depend on."""
        matches = self._matches(run.name)
        found = [_Values(run, self._zone).agreeing_group(one) for one in matches] if matches else []
        return [one for one in found if one.is_whole]

    def declared_runs(self, group: Agreeing) -> Sequence[Run]:
        """The declared runs of the group, in the order in which they start."""
        return self._declared.get(group, ())

    def recorded_runs(self, group: Agreeing) -> Sequence[Record]:
        """The records of the group's runs that are no longer declared, matched by their names."""
        return self._recorded.get(group, ())

    def _matches(self, name: str) -> list[Match]:
        if not self._by_name:
            return []
        found = (one for part in covering_references(name) for one in self._by_name.get(part, ()))
        return list(dict.fromkeys(found))

    def _agreeing_group(self, match: Match, record: Record) -> Agreeing:
        """The group of a run that is only recorded: its name holds the values of the matrix."""
        values = {
            key: unquote(value) for key, value in combination_of(run_name(record.run)).items()
        }
        values[BUSINESS_DATE] = business_date(record.trigger_time, self._zone).isoformat()
        found = tuple((key, values.get(key)) for key in match.keys)
        return Agreeing(names=match.names, values=found)


def keys_of_recorded(names: Iterable[str], ledger: Ledger) -> Mapping[str, frozenset[str]]:
    """The keys of the recorded runs that each name means, by name."""
    wanted = set(names)
    found: dict[str, frozenset[str]] = {}
    for record in ledger.records.values() if wanted else ():
        name = run_name(record.run)
        for part in covering_references(name):
            if part in wanted:
                found[part] = frozenset({BUSINESS_DATE, *combination_of(name)})
    return found


def known_names(runs: Iterable[Run], ledger: Ledger) -> frozenset[str]:
    """Every name that a reference can use, because it means a declared or recorded run."""
    names = {run.name for run in runs} | {run_name(recorded) for recorded in ledger.records}
    return frozenset(one for name in names for one in covering_references(name))
