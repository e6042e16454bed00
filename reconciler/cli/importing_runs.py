"""What `import` does, between its options and its output."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import date, time, tzinfo
from pathlib import Path
from urllib.parse import quote

import click
from msgspec import Struct

from reconciler.apply.adopt import Adoption
from reconciler.apply.importing import Matched, Range, import_runs
from reconciler.apply.ports import Snapshot
from reconciler.cli.clock import LocalClock
from reconciler.cli.machine import new_claim
from reconciler.cli.opening import SharedBranch
from reconciler.cli.options import CommonOptions
from reconciler.cli.saying import format_lines, say
from reconciler.cli.settling import is_terminal, read_committer
from reconciler.counting import format_count
from reconciler.errors import RefusedError
from reconciler.model import EpochMs
from reconciler.render.safe import escape_message
from reconciler.render.settlements import imported_json
from reconciler.render.written import Written, manifests_of
from reconciler.repository.declaring import bounds_of
from reconciler.repository.named_files import check_no_link
from reconciler.repository.pages import check_apart
from reconciler.repository.settings import find_root
from reconciler.starting.declaration import is_date, wrong_time_message
from reconciler.times import local_instant, parse_instant


class Importing(Struct, frozen=True, kw_only=True):
    """What the user asked of an import."""

    flows: tuple[int, ...]
    since: str
    until: str
    reason: str
    yes: bool
    folder: Path | None  # where manifests for the rest are written; None: nowhere
    as_json: bool = False


def import_instances(options: CommonOptions, asked: Importing) -> str:
    """Adopt what is certain, if somebody agrees; write manifests for the rest. Gives the report."""
    shared = SharedBranch.find(options)
    ranges = _ranges(asked, shared.environment.gateway.zone)
    if asked.folder is not None:
        check_apart(asked.folder, {"a ledger": shared.root / shared.environment.state})
    lines: list[str] = []
    written: list[Written] = []
    agreed = False

    def choose(found: Matched, snapshot: Snapshot) -> bool:
        nonlocal agreed
        lines.extend(_lines(found))
        schema = relative_schema_path(find_root(options.repo), asked.folder or Path())
        written.extend(_manifests(found, snapshot, schema))
        what = format_count(len(found.adopted), "run")
        agreed = bool(found.adopted) and (asked.yes or _agrees(lines, what))
        return agreed

    adoption = Adoption(by=read_committer(shared.git), reason=asked.reason)
    found = asyncio.run(
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
    rest = [(one, *_write(asked.folder, one)) for one in written]
    _warn([one for one, file, _ in rest if file is not None])
    if asked.as_json:
        files = {one.instance.id: (file, why) for one, file, why in rest}
        return imported_json(shared.environment.name, found, files, recorded=agreed)
    lines += (_rest_line(*one) for one in rest)
    if found.adopted:
        what = format_count(len(found.adopted), "run")
        lines.append(f"{what} adopted" if agreed else f"{what} would be adopted: say --yes")
    return format_lines(lines)


def _ranges(asked: Importing, zone: tzinfo) -> list[Range]:
    since, until = _read_time(asked.since, zone, "--from"), _read_time(asked.until, zone, "--to")
    if since >= until:
        raise click.UsageError("--to must be later than --from.")
    return [Range(flow_id=flow, from_time=since, to_time=until) for flow in asked.flows]


def _manifests(found: Matched, snapshot: Snapshot, schema: str) -> Sequence[Written]:
    """Manifests for the instances that belong to no run."""
    return manifests_of(
        found.rest,
        snapshot.declared,
        bounds_of(snapshot.environment.limits, LocalClock().wall()),
        recorded=snapshot.ledger.records,
        same_minute_allowed=snapshot.environment.gateway.same_minute_allowed,
        schema=schema,
    )


def relative_schema_path(root: Path, folder: Path) -> str:
    """The path from a folder of manifests to the repository's copy of their schema, for editors."""
    schema = root / "schemas" / "trigger.schema.json"
    return quote(Path(os.path.relpath(schema, os.path.realpath(folder))).as_posix())


def _read_time(text: str, zone: tzinfo, option: str) -> EpochMs:
    """The instant of an RFC 3339 date-time, or of a date's beginning in the gateway's zone."""
    why = wrong_time_message(text, or_number=False)
    if why is not None:
        raise click.BadParameter(why, param_hint=option)
    try:
        if not is_date(text):
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
    """Whether a person at the terminal, having seen the lines, agrees; False without a terminal."""
    if not is_terminal():
        return False
    for line in lines:
        say(escape_message(line))
    lines.clear()
    return click.confirm(f"Adopt {what}?", err=True)


def _write(folder: Path | None, one: Written) -> tuple[str | None, str | None]:
    """Write the manifest, if any, to a new file; gives its path, or why none was written."""
    if one.reason is not None:
        return None, f"no manifest: {one.reason}"
    if folder is None:
        return None, "of no run here; --write DIR writes a manifest"
    path = folder / one.file
    check_no_link(path, "Name a folder that no link of the repository leads to.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(one.text)
    except FileExistsError:
        return None, f"{path} is there already and was left as it is"
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}") from None
    return str(path), None


def _warn(written: Sequence[Written]) -> None:
    """Say which of the written files hold values that no output shows."""
    telling = [one for one in written if one.sensitive]
    if telling:
        names = ", ".join(sorted({key for one in telling for key in one.sensitive}))
        files = (
            f"{format_count(len(telling), 'written file')} {'has' if len(telling) == 1 else 'have'}"
        )
        say(
            f"warning: {files} the values of sensitive parameters ({escape_message(names)}) as "
            "plain text: whoever reads the repository will read them once they are committed"
        )


def _rest_line(one: Written, file: str | None, why: str | None) -> str:
    return f"rest   {one.instance.id}: {why if file is None else f'wrote {file}'}"
