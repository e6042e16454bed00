"""What `import` does, between its options and its output."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, tzinfo
from pathlib import Path
from urllib.parse import quote

import click

from reconciler.apply.adopt import Adoption
from reconciler.apply.importing import Matched, Range, import_runs
from reconciler.apply.ports import Snapshot
from reconciler.cli.machine import LocalClock, new_claim
from reconciler.cli.opening import SharedBranch
from reconciler.cli.options import CommonOptions
from reconciler.cli.saying import say
from reconciler.cli.settling import is_terminal, person
from reconciler.counting import counted
from reconciler.errors import RefusedError
from reconciler.model import EpochMs
from reconciler.render.safe import said
from reconciler.render.written import Written, manifests_of
from reconciler.repository.declaring import bounds_of
from reconciler.repository.settings import find_root
from reconciler.times import local_instant, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """What the user asked of an import."""

    flows: tuple[int, ...]
    since: str
    until: str
    reason: str
    yes: bool
    folder: Path | None  # for manifests of the rest


def import_instances(options: CommonOptions, asked: Importing) -> list[str]:
    """Adopt what can be told for certain, once somebody has agreed; write the rest."""
    shared = SharedBranch.find(options)
    zone = shared.environment.gateway.zone
    since, until = _instant(asked.since, zone, "--from"), _instant(asked.until, zone, "--to")
    if since >= until:
        raise click.UsageError("--to must be later than --from.")
    lines: list[str] = []
    summary: list[str] = []
    written: list[Written] = []

    def choose(found: Matched, snapshot: Snapshot) -> bool:
        lines.extend(_lines(found))
        gateway = snapshot.environment.gateway
        written.extend(
            manifests_of(
                found.rest,
                snapshot.declared,
                bounds_of(snapshot.environment.limits, LocalClock().wall()),
                recorded=snapshot.ledger.records,
                same_minute_allowed=gateway.same_minute_allowed,
                schema=schema_beside(find_root(options.repo), asked.folder or Path()),
            )
        )
        if not found.adopted:
            return False
        what = counted(len(found.adopted), "run")
        agreed = asked.yes or _agrees(lines, what)
        summary.append(f"{what} adopted" if agreed else f"{what} would be adopted: say --yes")
        return agreed

    ranges = [Range(flow_id=flow, from_time=since, to_time=until) for flow in asked.flows]
    adoption = Adoption(by=person(shared.git), reason=asked.reason)
    asyncio.run(
        import_runs(
            ranges,
            adoption,
            shared.store,
            shared.open_gateway,
            LocalClock(),
            new_claim,
            choose,
        )
    )
    return [*lines, *_write(asked.folder, written), *summary]


def schema_beside(root: Path, folder: Path) -> str:
    """The path from a folder of manifests to the repository's copy of their schema, for editors."""
    schema = root / "schemas" / "trigger.schema.json"
    return quote(Path(os.path.relpath(schema, os.path.realpath(folder))).as_posix())


def _instant(text: str, zone: tzinfo, option: str) -> EpochMs:
    """A date, at its beginning in the gateway's zone, or an RFC 3339 date-time."""
    try:
        if len(text) != len("2024-03-01"):
            return parse_instant(text)
        found = local_instant(date.fromisoformat(text), time(), zone)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint=option) from None
    if found is None:
        words = f"{text} is a date that the gateway's zone never had"
        raise click.BadParameter(words, param_hint=option)
    return found


def _lines(found: Matched) -> Iterator[str]:
    for run, one in found.adopted:
        yield f"adopt  {run.id}: {one.id}"
    for name, why in found.unclear:
        yield f"leave  {name}: {why}"
    if not (found.adopted or found.unclear or found.rest):
        yield "nothing to import: no instance there that is not recorded"


def _agrees(lines: list[str], what: str) -> bool:
    """Whether a person at the terminal agrees, once the lines are shown; nobody does elsewhere."""
    if not is_terminal():
        return False
    for line in lines:
        say(said(line))
    lines.clear()
    return click.confirm(f"Adopt {what}?", err=True)


def _write(folder: Path | None, written: Sequence[Written]) -> Iterator[str]:
    """Write what can be written, never over anything; without a folder, say what there is."""
    for one in written:
        if one.reason is not None:
            yield f"rest   {one.instance.id}: no manifest: {one.reason}"
        elif folder is None:
            yield f"rest   {one.instance.id}: of no run here; --write DIR writes a manifest"
        else:
            yield f"rest   {one.instance.id}: {_written(folder / one.file, one.text)}"


def _written(path: Path, text: str) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{path} is there already and was left as it is"
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}") from None
    return f"wrote {path}"
