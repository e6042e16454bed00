"""People mend what the messages complain of; then all that is fit to start must be started."""

from collections.abc import Iterator

from msgspec.structs import replace

from reconciler.identity import may_be_one, services_of
from reconciler.ledger import Event, Ledger, read_events
from reconciler.ledger.events import VERSION, Resolved, Service
from reconciler.ledger.files import ACTIVE
from reconciler.ledger.lines import encode_events
from reconciler.model import run_name
from reconciler.times import format_instant
from tests.simulation.estate.layout import Home, Layout, key_of_digest, true_service
from tests.simulation.estate.remote import HEADS
from tests.simulation.estate.traces import delete_false_traces
from tests.simulation.estate.world import MAIN, World


def restore(world: World) -> None:
    """Put every ledger back, whole, where it is read, and declare each run once."""
    world.only = frozenset()
    delete_false_traces(world)
    if world.remote.head != MAIN:
        tip = world.tip(MAIN) or world.tip(world.remote.head)
        world.remote.move({f"{HEADS}{MAIN}": tip}, MAIN)
    ledgers = [Ledger.of(read_events({ACTIVE: text}, "mended")) for text in world.lineages]
    layout = replace(
        world.layout, homes={}, declared={}, branch=None, retired=frozenset(), max_runs=200_000
    )
    files: dict[str, bytes] = {}
    texts = list(world.lineages)
    number = len(world.layouts)
    services = {home.service_name: home for home in world.layout.homes.values()}
    # Of two services of one organisation each has a name.
    named = {home.organisation for home in services.values() if home.apart}
    services = {
        service: replace(home, service=home.service or f"at {home.organisation}")
        if home.organisation in named
        else home
        for service, home in services.items()
    }
    used = {own for service in services if (own := _own(world, ledgers, service)) is not None}
    for index, one in enumerate(ledgers):
        if index not in used:
            texts[index] += encode_events(_settling(world, one))
            ledgers[index] = Ledger.of(read_events({ACTIVE: texts[index]}, "settled"))
    for position, (service, home) in enumerate(sorted(services.items())):
        own = _own(world, ledgers, service)
        name = f"env-{number}-{position}"
        new = replace(home, manifests=f"triggers/{name}", state=f"state/{name}")
        layout = layout.with_home(name, new)
        if own is not None:
            files[f"{new.state}/{ACTIVE}"] = texts[own]
        others = [one for index, one in enumerate(ledgers) if index != own]
        layout = _declaring(world, layout, new, ledgers[own] if own is not None else None, others)
    for index, text in enumerate(texts):
        if index not in used:
            folder = f"retired/{number}-{index}"
            layout = replace(layout, retired=layout.retired | {folder})
            files[f"{folder}/{ACTIVE}"] = text
    placed = {layout.ledger_branch or MAIN: files}
    if layout.ledger_branch is not None:
        placed[MAIN] = {}
    world.publish(layout, placed)


def _own(world: World, ledgers: list[Ledger], service: str) -> int | None:
    """The longest ledger that is of this service alone."""
    fit = [index for index, one in enumerate(ledgers) if _true_services(one) == {service}]
    return max(fit, key=lambda index: len(world.lineages[index]), default=None)


def _settling(world: World, ledger: Ledger) -> Iterator[Event]:
    """What people have settled before they retire a ledger."""
    for record in ledger.unsettled:
        claim = ledger.claims[record.claim] if record.claim is not None else None
        made = claim.service if claim is not None else None
        started = [
            one.id
            for one in (*world.instances, *world.overdue)
            if made is not None
            and (one.service, one.run.id) == (true_service(made.org_id, made.gateway), record.run)
            and one.key == key_of_digest(record.digest)
            and record.claim in one.claims
        ]
        yield Resolved(
            v=VERSION,
            at=format_instant(world.service_time()),
            run=record.run,
            by="people",
            triggered=started[0] if started else None,
            claim=record.claim,
        )


def _true_services(ledger: Ledger) -> set[str]:
    return {true_service(one.org_id, one.gateway) for one in services_of(ledger)}


def _may_be_of(home: Home, ledger: Ledger) -> bool:
    """Whether the product must take what is recorded for what was started there."""
    now = Service(org_id=home.organisation, gateway=home.address, user_id="u1", name=home.service)
    services = services_of(ledger)
    return not services or any(may_be_one(one, now) for one in services)


def _declaring(
    world: World, layout: Layout, home: Home, own: Ledger | None, others: list[Ledger]
) -> Layout:
    service = home.service_name
    names = dict(_recorded(own)) if own is not None else {}
    elsewhere = {key for one in others if _may_be_of(home, one) for key, _ in _recorded(one)}
    unsure = {key_of_digest(one.digest) for one in own.unsettled} if own is not None else set()
    for key in sorted(world.ever.get(service, ())):
        # What nobody knows of here, and is recorded elsewhere, is settled without being declared.
        if (key in names and key not in unsure & elsewhere) or key not in elsewhere:
            run = names.get(key, f"run-{key}")
            layout = layout.declaring(f"{home.manifests}/{key}.yaml", run, key)
    return layout


def _recorded(ledger: Ledger) -> Iterator[tuple[int, str]]:
    for record in ledger.records.values():
        if record.may_have_started:
            yield key_of_digest(record.digest), run_name(record.run)
