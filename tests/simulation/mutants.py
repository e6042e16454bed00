"""Changes to the protocol, each of which breaks the promise: the simulation must notice all."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from importlib import import_module
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from reconciler import schedule
from reconciler.apply import (
    adopt,
    branch,
    checks,
    doubt,
    evidence,
    gone,
    instances,
    lease,
    look,
    observe,
    observer,
    pending,
    protocol,
    start,
)
from reconciler.apply import suspect as suspects
from reconciler.apply.ids import IdScheme
from reconciler.apply.knowledge import Knowledge
from reconciler.apply.known import Known
from reconciler.apply.look import Look
from reconciler.apply.ports import (
    Appended,
    Connection,
    Instance,
    Raced,
    Snapshot,
    UnknownAnswer,
)
from reconciler.apply.start import Batch
from reconciler.apply.suspect import Standing, Suspect
from reconciler.enos import paged
from reconciler.enos.listed import cut_unit
from reconciler.ledger import Event, Record, RunState, events, late_starts, outcomes
from reconciler.ledger.records import UNDER_WAY, UNSETTLED, FullRecord, Phase, Start
from reconciler.minutes import FlowMinutes, assign_minutes
from reconciler.model import EpochMs, Nonce, Run, RunId, run_name, run_revision
from reconciler.plan import Action, Plan, decide, limits, make, prerequisites, standing
from reconciler.plan.prerequisites import Newest, wants_another_attempt
from reconciler.plan.standing import Dependency, DependencyStanding
from reconciler.plan.values import Decision, FlowCheck, PlannedRun, Reason
from reconciler.times import parse_instant
from tests.simulation import listing
from tests.simulation.chances import CALM, Chances
from tests.simulation.oddities import CUT_IN_UTC

Mutant = Callable[[pytest.MonkeyPatch], None]
_AN_AGE_MS = 10**12
SWITCHES: dict[str, tuple[str, ...]] = {}  # the oddities that a mutant is tried with
TROUBLE: dict[str, Chances] = {}  # and what goes wrong meanwhile, where that is chosen


def among(*switches: str) -> Callable[[Mutant], Mutant]:
    """Try the mutant on services with these oddities, and not on a mixture."""

    def marked(mutant: Mutant) -> Mutant:
        SWITCHES[mutant.__name__] = switches
        return mutant

    return marked


def amid(chances: Chances) -> Callable[[Mutant], Mutant]:
    """Try the mutant where so much happens, and not what each seed chooses."""

    def marked(mutant: Mutant) -> Mutant:
        TROUBLE[mutant.__name__] = chances
        return mutant

    return marked


# One start


def start_before_the_claim_has_landed(patch: pytest.MonkeyPatch) -> None:
    async def claim(self: branch.Branch, claim: events.Claim) -> branch.Claiming:
        await original(self, claim)
        return branch.Claiming.OURS

    original = branch.Branch.claim
    patch.setattr(branch.Branch, "claim", claim)


def repeat_after_a_read_timeout(patch: pytest.MonkeyPatch) -> None:
    async def post(batch: Batch, run: Run, connection: Connection) -> Any:
        answer = await original(batch, run, connection)
        return (
            await original(batch, run, connection) if isinstance(answer, UnknownAnswer) else answer
        )

    original = start._post
    patch.setattr(start, "_post", post)


def ignore_the_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease.Lease, "allows_start", lambda _: True)


def believe_whatever_was_kept(patch: pytest.MonkeyPatch) -> None:
    async def confirm(*_: object) -> bool:
        return True

    patch.setattr(branch.Branch, "confirm", confirm)


@amid(replace(Chances(), lost_answer=0.6))
def record_what_left_too_late_as_any_doubt(patch: pytest.MonkeyPatch) -> None:
    def unknown(self: start.Batch, run: Run, seen: str) -> events.Unknown:
        return replace(original(self, run, seen), late=False)

    original = start.Batch.unknown_outcome
    patch.setattr(start.Batch, "unknown_outcome", unknown)


@amid(replace(Chances(), lost_answer=0.6))
def look_for_what_left_too_late_in_its_claims_time_only(patch: pytest.MonkeyPatch) -> None:
    def with_overdue(record: FullRecord, event: events.Unknown, claim: events.Claim) -> FullRecord:
        found, until = original(record, event, claim), parse_instant(claim.until)
        late = tuple(replace(one, until=min(one.until, until)) for one in found.overdue)
        return replace(found, overdue=late, until=min(found.until, until))

    original = late_starts.with_overdue
    patch.setattr(outcomes, "with_overdue", with_overdue)


def believe_absence_before_the_trigger_time(patch: pytest.MonkeyPatch) -> None:
    def decided_at(record: Record, look: Look) -> EpochMs:
        return EpochMs(record.until + int(look.environment.gateway.settle * 1000))

    patch.setattr(doubt, "_decision_time", decided_at)


def believe_absence_before_the_claim_has_expired(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(doubt, "_decision_time", lambda record, _: record.trigger_time)


def rule_nothing_out_by_its_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence, "is_older", lambda *_: False)


def claim_what_another_has_claimed(patch: pytest.MonkeyPatch) -> None:
    def startable(self: Knowledge, plan: Plan) -> list[Run]:
        held = (one.run for one in plan.runs_of_action(Action.HOLD) if one.run is not None)
        return [*original(self, plan), *filter(self.chosen.has, held)]

    original = Knowledge.startable
    patch.setattr(Knowledge, "startable", startable)


def rebase_text_in_place_of_deriving_again(patch: pytest.MonkeyPatch) -> None:
    async def append(self: branch.Branch, wanted: list[Event]) -> Appended:
        appended = await original(self, wanted)
        while isinstance(appended, Raced):
            self.snapshot = await self.store.fetch()
            appended = await original(self, wanted)
        return appended

    original = branch.Branch._append
    patch.setattr(branch.Branch, "_append", append)


# Whose instance it is


@among("created by another clock")
def rule_out_by_any_earlier_stamp(patch: pytest.MonkeyPatch) -> None:
    def is_older(suspect: Suspect, one: Instance) -> bool:
        return original(replace(suspect, slack=0), one)

    original = suspects.is_older
    patch.setattr(evidence, "is_older", is_older)


@among("trigger time rounded to the second")
def rule_out_by_another_trigger_time(patch: pytest.MonkeyPatch) -> None:
    def standing(suspect: Suspect, one: Instance, known: Known) -> Standing:
        sent = {None, suspect.trigger_time, suspect.trigger_time // 1000 * 1000}
        differs = one.trigger_time not in sent
        return Standing.NOT_OURS if differs else original(suspect, one, known)

    original = evidence.standing
    patch.setattr(evidence, "standing", standing)
    patch.setattr(evidence, "_may_hide", lambda *_: False)


@among("trigger time unset")
def rule_out_what_shows_no_time_of_the_minute(patch: pytest.MonkeyPatch) -> None:
    def standing(suspect: Suspect, one: Instance, known: Known) -> Standing:
        elsewhen = suspects.is_of_another_minute(suspect.trigger_time, one)
        return Standing.NOT_OURS if elsewhen else original(suspect, one, known)

    original = evidence.standing
    patch.setattr(evidence, "standing", standing)
    patch.setattr(evidence, "_may_hide", lambda *_: False)


@among("flow unset")
def rule_out_by_a_flow_that_is_not_set(patch: pytest.MonkeyPatch) -> None:
    def another(flow_id: int | None, one: Instance) -> bool:
        return one.flow_id != flow_id

    patch.setattr(evidence, "is_of_another_flow", another)


@among("twins", "created cut to the day")
def agree_by_the_youngest_reading_of_a_stamp(patch: pytest.MonkeyPatch) -> None:
    def created(suspect: Suspect, one: Instance) -> bool:
        return one.created_latest is not None and one.created_latest >= (suspect.claimed_at or 0)

    patch.setattr(suspects, "_is_created_under_claim", created)


@among(CUT_IN_UTC)
def take_a_stamp_for_cut_in_the_zone_that_it_is_shown_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(listing, "cut_unit", lambda stamp, _: cut_unit(stamp, UTC))


@among("shared ids", "created cut to half a minute")
def tell_what_stood_there_by_any_stamp(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(suspects, "_GRAINS_MS", ())


@among("ids as a number", "newest of an id")
def read_ids_that_spell_no_time_as_each_its_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdScheme, "units", ())


@among("ids with a machine", "newest of an id", "same minute")
def take_two_ids_of_one_time_for_ids_of_each_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "reconciler.apply.known.gives_each_its_own",
        lambda ids: any(len(set(one)) > 1 for one in ids.values()),
    )


@among("ids with a machine", "ids without the flow", "newest of an id")
def take_two_ids_of_two_flows_for_ids_of_each_flow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "reconciler.apply.known.gives_flows_their_own",
        lambda ids: len({one for of_time in ids.values() for one in of_time}) > 1,
    )


@among("parameters merged")
def rule_out_by_other_parameters(patch: pytest.MonkeyPatch) -> None:
    def standing(suspect: Suspect, one: Instance, known: Known) -> Standing:
        differs = one.parameters is not None and one.parameters != suspect.parameters
        return Standing.NOT_OURS if differs else original(suspect, one, known)

    original = evidence.standing
    patch.setattr(evidence, "standing", standing)
    patch.setattr(evidence, "_may_hide", lambda *_: False)


@among("correlation", "parameters in another case")
def rule_out_by_another_spelling_of_the_nonce(patch: pytest.MonkeyPatch) -> None:
    def by_nonce(suspect: Suspect, one: Instance, _: Known) -> Standing | None:
        values = dict(one.parameters or ())
        if suspect.claim is None or suspect.correlation not in values:
            return None
        its = values[suspect.correlation] == suspects.correlation_value(suspect.run, suspect.claim)
        return Standing.OURS if its else Standing.NOT_OURS

    patch.setattr(evidence, "nonce_standing", by_nonce)
    patch.setattr(evidence, "_may_hide", lambda *_: False)


@among("shared ids", "parameters merged")
def rule_out_whatever_is_recorded_for_another_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "tells_apart", lambda *_: True)


@among("shared ids", "correlation", "same minute", "newest of an id")
def let_another_instance_hide_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence, "_may_hide", lambda *_: False)


@among("ids of the hour", "newest of an id")
def let_no_start_of_the_hour_hide_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "may_hide", lambda *_, **__: None)


def take_the_clock_for_the_order_of_claims(patch: pytest.MonkeyPatch) -> None:
    def is_later(self: Known, claim: Nonce | None, than: Nonce | None) -> bool:
        at, before = self.claimed_at(claim), self.claimed_at(than)
        return at is not None and before is not None and at > before

    patch.setattr(Known, "is_later", is_later)


def forget_that_the_correlation_parameter_was_sent(patch: pytest.MonkeyPatch) -> None:
    def shows_nothing_sent(suspect: Suspect, one: Instance) -> bool:
        return bool(suspect.parameters) and original(suspect, one)

    original = instances._shows_nothing_sent
    patch.setattr(instances, "_shows_nothing_sent", shows_nothing_sent)


@among("filed when triggered")
def look_for_what_was_triggered_at_once_in_its_minute_only(patch: pytest.MonkeyPatch) -> None:
    async def no_further(searched: doubt._Searched, _: Look) -> doubt._Searched:
        return searched

    patch.setattr(doubt, "_look_further", no_further)


@among("ids without the flow", "newest of an id")
def let_no_start_of_another_flow_hide_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdScheme, "may_lack_flow", False)


@among()
def claim_without_a_look_at_a_shared_minute(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "shares_a_minute", lambda *_: False)


def take_an_end_for_its_own_that_no_digest_is_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "may_carry_another", lambda *_: False)


@among("ids as a hash", "newest of an id", "strangers")
@amid(replace(CALM, others_commit=0.5, revised=0.9, stranger=0.9, ends_badly=0.5))
def tell_an_end_that_no_digest_is_of_by_its_stamp(patch: pytest.MonkeyPatch) -> None:
    def unsent_reason(suspect: Suspect, one: Instance) -> str | None:
        return "nothing of it" if instances._shows_nothing_sent(suspect, one) else None

    patch.setattr(instances, "_unsent_reason", unsent_reason)


@among("ids of five minutes", "newest of an id", "same minute", "twins")
def forget_what_earlier_searches_showed_of_ids(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "_sightings_in_doubt", lambda _: ())


def take_any_time_of_its_minute_for_its_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "shows_another_time", suspects.is_of_another_minute)


@among("hiding")
def ask_whatever_service_is_configured(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(look, "service_mismatch", lambda *_: None)


@among("misfits")
def believe_any_instance_that_an_answer_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(start, "_find_owner", lambda *_: None)


# Order


def start_dependents_of_what_was_merely_started(patch: pytest.MonkeyPatch) -> None:
    _count_as_success(patch, RunState.TRIGGERED)


def start_dependents_of_what_has_failed(patch: pytest.MonkeyPatch) -> None:
    _count_as_success(patch, RunState.FAILED)


def _count_as_success(patch: pytest.MonkeyPatch, state: RunState) -> None:
    def recorded_prerequisite(record: Record) -> Any:
        one = original(record)
        is_it = record.state(record.until) is state
        return replace(one, standing=DependencyStanding.SUCCEEDED) if is_it else one

    original = standing.recorded_prerequisite
    patch.setattr(prerequisites, "recorded_prerequisite", recorded_prerequisite)


def ask_for_one_run_of_a_backfill_only(patch: pytest.MonkeyPatch) -> None:
    original = standing.dependency_on_name
    patch.setattr(
        prerequisites, "dependency_on_name", lambda name, members: original(name, members[:1])
    )


def start_without_the_date_before(patch: pytest.MonkeyPatch) -> None:
    def before(one: Dependency) -> Dependency:
        return replace(one, standing=DependencyStanding.SUCCEEDED)

    patch.setattr(prerequisites, "_previous_date_dependency", before)


def wait_for_nothing_that_is_matched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        prerequisites, "references", lambda run, _: () if run.matching else run.depends_on
    )


def wait_for_all_that_a_match_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prerequisites, "references", lambda run, _: run.depends_on)


@among()
@amid(replace(CALM, others_commit=0.15, withdrawn=0.9, called_off=0, edited=0, ends_badly=0))
def wait_for_nothing_that_was_taken_away_and_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prerequisites, "is_under_way", lambda _: False)


def ask_for_one_of_those_that_agree_only(patch: pytest.MonkeyPatch) -> None:
    original = standing.dependency_on_group
    patch.setattr(prerequisites, "dependency_on_group", lambda group, of: original(group, of[:1]))


def let_claims_take_no_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "UNDER_WAY", UNDER_WAY - {Phase.CLAIMED})


def let_what_is_in_doubt_take_no_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "UNDER_WAY", UNDER_WAY - {Phase.UNKNOWN})


def let_what_runs_take_no_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "UNDER_WAY", UNDER_WAY - {Phase.TRIGGERED})


def let_what_is_gone_from_its_manifest_take_no_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits._Rooms, "of", _of_the_declared_only(limits._Rooms.of))


def _of_the_declared_only(original: Any) -> Any:
    def of(self: limits._Rooms, run: Run) -> Any:
        self._of_manifest[run.declared_manifest] = [
            one
            for one in self._of_manifest[run.declared_manifest]
            if run_name(one.run) in self._owners._declared
        ]
        return original(self, run)

    return of


def let_a_flow_have_any_number_at_once(patch: pytest.MonkeyPatch) -> None:
    def limited(planned: Any, runs: Any, ledger: Any, _: int | None) -> Any:
        return original(planned, runs, ledger, None)

    original = limits.limit_runs
    patch.setattr(make, "limit_runs", limited)


def go_on_whatever_has_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(make, "stopped_manifests", lambda *_: {})


def stop_for_what_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        limits, "_is_for_good", lambda record, run, _: run_revision(record.run) == run.revision
    )


def claim_without_recording_the_success_that_allows_it(patch: pytest.MonkeyPatch) -> None:
    async def append(self: branch.Branch, wanted: list[Event]) -> Appended:
        if any(isinstance(event, events.Claim) for event in wanted):
            wanted = [event for event in wanted if not isinstance(event, events.Observed)]
        return await original(self, wanted)

    original = branch.Branch._append
    patch.setattr(branch.Branch, "_append", append)


def start_what_was_called_off(patch: pytest.MonkeyPatch) -> None:
    def forbidden(run: Run, context: decide.Context) -> tuple[Reason, str] | None:
        return original(run.but(cancel=False), context)

    original = decide._find_obstacle
    patch.setattr(decide, "_find_obstacle", forbidden)


def start_what_was_not_named(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checks.Chosen, "has", lambda *_: True)


def forget_what_the_service_said_of_a_flow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checks, "judge_flow", lambda *_: FlowCheck())


# Attempts


def try_again_while_the_attempt_before_runs(patch: pytest.MonkeyPatch) -> None:
    def follows(run: Run, newest: Newest) -> bool:
        early = newest.state is RunState.TRIGGERED and run.retry is not None
        return wants_another_attempt(run, newest) or (early and newest.attempt == 1)

    _follow(patch, follows)


def try_again_once_too_often(patch: pytest.MonkeyPatch) -> None:
    def follows(run: Run, newest: Newest) -> bool:
        more = run.retry and replace(run.retry, max=run.retry.max + 1)
        return wants_another_attempt(run.but(retry=more), newest)

    _follow(patch, follows)


def try_again_whatever_the_end(patch: pytest.MonkeyPatch) -> None:
    def follows(run: Run, newest: Newest) -> bool:
        status = newest.record.status if newest.record else None
        any_end = run.retry and replace(run.retry, on=frozenset({status or ""}))
        return wants_another_attempt(run.but(retry=any_end), newest)

    _follow(patch, follows)


def _follow(patch: pytest.MonkeyPatch, follows: Callable[[Run, Newest], bool]) -> None:
    patch.setattr(make, "wants_another_attempt", follows)
    patch.setattr(prerequisites, "wants_another_attempt", follows)


# Time


@among()
def start_again_what_an_edit_names_otherwise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(import_module("reconciler.rules.check"), "find_repeated", lambda *_: ())


def choose_the_stagger_anew_at_each_plan(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        schedule, "_started_time", lambda run, *_: None if run.stagger else run.trigger_time
    )
    patch.setattr(schedule, "_claimed_time", lambda *_: None)


def choose_the_stagger_anew_unless_it_was_started(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(schedule, "_claimed_time", lambda *_: None)


def stagger_around_what_is_recorded_only(patch: pytest.MonkeyPatch) -> None:
    def each_by_itself(
        waiting: Sequence[Run], minutes: Mapping[int, FlowMinutes]
    ) -> dict[RunId, EpochMs]:
        free = {flow: replace(here, taken=set()) for flow, here in minutes.items()}
        return {run.id: assign_minutes([run], free)[run.id] for run in waiting}

    patch.setattr(schedule, "assign_minutes", each_by_itself)


def send_the_time_without_the_stagger(patch: pytest.MonkeyPatch) -> None:
    async def post(batch: Batch, run: Run, connection: Connection) -> Any:
        declared = run.but(trigger_time=EpochMs(run.trigger_time - run.delay))
        return await original(batch, declared, connection)

    original = start._post
    patch.setattr(start, "_post", post)


# By hand


def forget_what_was_adopted(patch: pytest.MonkeyPatch) -> None:
    def adopted(record: FullRecord | None, event: events.Adopted) -> FullRecord:
        return msgspec.structs.replace(original(record, event), phase=Phase.ABSENT, starts=())

    original = outcomes._with_adopted
    patch.setattr(outcomes, "_with_adopted", adopted)


def adopt_what_was_claimed_meanwhile(patch: pytest.MonkeyPatch) -> None:
    def check(self: adopt.Adopting, snapshot: Snapshot, now: EpochMs) -> None:
        if not self._found:
            original(self, snapshot, now)

    def pending(run: RunId, planned: PlannedRun | None) -> Run:
        assert planned is not None, run
        assert planned.run is not None
        return planned.run

    def adopted(record: FullRecord | None, event: events.Adopted) -> FullRecord:
        open_ = record is not None and record.phase in UNSETTLED
        return its(None if open_ else record, event)

    original, its = adopt.Adopting.check, outcomes._with_adopted
    patch.setattr(adopt.Adopting, "check", check)
    patch.setattr(adopt, "check_pending", pending)
    patch.setattr(outcomes, "_with_adopted", adopted)


@among("newest of an id", "twins")
def take_the_end_of_what_has_an_adopted_id_by_now(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "_is_another_than_adopted", lambda *_: False)


# Ends


def believe_at_once_that_an_instance_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observe, "showing_deadline", lambda *_: EpochMs(0))


@among("shared ids", "strangers")
def take_the_end_of_an_older_instance(patch: pytest.MonkeyPatch) -> None:
    def is_off(suspect: Suspect, start: Start, one: Instance, _: int, after: int) -> bool:
        return original(suspect, start, one, _AN_AGE_MS, after)

    original = instances._is_off
    patch.setattr(instances, "_is_off", is_off)
    patch.setattr(instances, "has_stood_before", lambda *_: False)
    patch.setattr(instances, "_drop_others_instances", lambda _, __, mine, *___: (mine, False))


@among("twins", "newest of an id", "created in UTC")
def take_all_between_two_readings_for_possible(patch: pytest.MonkeyPatch) -> None:
    def spans(one: Instance) -> tuple[tuple[EpochMs, EpochMs], ...]:
        return ((one.created, one.created_latest),) if one.created and one.created_latest else ()

    patch.setattr(Instance, "created_spans", property(spans))


@among("nulls")
def believe_once_that_an_instance_is_gone(patch: pytest.MonkeyPatch) -> None:
    async def unlisted(*_: Any) -> bool:
        return True

    patch.setattr(gone, "MISSING_LOOKS", 0)
    patch.setattr(gone._Finding, "_is_unlisted", unlisted)


@among("shared ids", "strangers")
def take_any_instance_of_the_id_for_the_runs(patch: pytest.MonkeyPatch) -> None:
    def told(_: Record, __: Any, listed: Sequence[Instance], *___: Any) -> instances.Fate:
        return instances.Fate(status=listed[0].status, mine=listed[0])

    patch.setattr(observe, "judge_listed", told)


@among("correlation", "shared ids", "twins", "created cut to the minute")
def take_what_shows_no_nonce_for_the_runs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(instances, "_may_be_anothers", lambda *_, **__: None)


@among("shared ids", "strangers")
def cancel_whatever_has_the_id(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    patch.setattr(observer, "_find_cancel_risk", nothing)


def record_an_end_that_others_have_recorded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pending, "is_known", lambda *_: False)


def record_what_is_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observe, "_is_news", lambda *_: True)


def cancel_again_and_again(patch: pytest.MonkeyPatch) -> None:
    def started(run: Run, record: Record, state: RunState, now: EpochMs) -> Decision:
        return original(
            run, msgspec.structs.replace(record.full_value(), cancelled=None), state, now
        )

    original = decide._decide_started
    patch.setattr(decide, "_decide_started", started)


def go_away_before_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observer.Observer, "awaited_records", lambda *_: [])


def wait_for_its_own_starts_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observer, "covering_references", lambda _: ())


def call_gone_what_the_claims_time_may_show(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> Sequence[Instance]:
        return ()

    patch.setattr("reconciler.apply.gone._Finding._search_time_of_start", nothing)


@among("filed when triggered", "nulls")
@amid(replace(Chances(), by_hand=0.9, adopted=0.9, null=0.9, others_commit=0.3))
def call_gone_what_was_started_by_hand_long_before(patch: pytest.MonkeyPatch) -> None:
    async def of_the_adoption(self: Any, suspect: Any, _: Start) -> Sequence[Instance]:
        window = self._look.immediate_window(suspect)
        return await self._look.gateway.search(suspect.flow_id, *window) if window else ()

    patch.setattr(gone._Finding, "_search_time_of_start", of_the_adoption)
    patch.setattr(gone, "MISSING_LOOKS", 0)  # only the searches tell, as where it is null for long


@among("pages lost")
@amid(replace(Chances(), lost_answer=0.6))
def take_any_count_for_that_of_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(paged.Listing, "counts_all", property(lambda _: True))


@among("pages lost")
@amid(replace(Chances(), lost_answer=0.6))
def take_any_page_that_fails_for_one_that_there_is_not(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(paged.Listing, "remaining_failure", lambda _: None)


MUTANTS: list[Mutant] = [
    take_any_count_for_that_of_all,
    take_any_page_that_fails_for_one_that_there_is_not,
    call_gone_what_was_started_by_hand_long_before,
    call_gone_what_the_claims_time_may_show,
    start_before_the_claim_has_landed,
    take_the_clock_for_the_order_of_claims,
    forget_that_the_correlation_parameter_was_sent,
    look_for_what_was_triggered_at_once_in_its_minute_only,
    claim_what_another_has_claimed,
    repeat_after_a_read_timeout,
    ignore_the_lease,
    believe_whatever_was_kept,
    record_what_left_too_late_as_any_doubt,
    look_for_what_left_too_late_in_its_claims_time_only,
    believe_absence_before_the_trigger_time,
    believe_absence_before_the_claim_has_expired,
    rule_nothing_out_by_its_age,
    rule_out_by_any_earlier_stamp,
    rule_out_by_another_trigger_time,
    rule_out_what_shows_no_time_of_the_minute,
    rule_out_by_a_flow_that_is_not_set,
    agree_by_the_youngest_reading_of_a_stamp,
    take_a_stamp_for_cut_in_the_zone_that_it_is_shown_in,
    tell_what_stood_there_by_any_stamp,
    read_ids_that_spell_no_time_as_each_its_own,
    take_two_ids_of_one_time_for_ids_of_each_start,
    take_two_ids_of_two_flows_for_ids_of_each_flow,
    rule_out_by_other_parameters,
    rule_out_by_another_spelling_of_the_nonce,
    rule_out_whatever_is_recorded_for_another_run,
    let_another_instance_hide_nothing,
    let_no_start_of_the_hour_hide_another,
    let_no_start_of_another_flow_hide_one,
    claim_without_a_look_at_a_shared_minute,
    ask_whatever_service_is_configured,
    believe_any_instance_that_an_answer_names,
    take_an_end_for_its_own_that_no_digest_is_of,
    tell_an_end_that_no_digest_is_of_by_its_stamp,
    forget_what_earlier_searches_showed_of_ids,
    take_any_time_of_its_minute_for_its_own,
    rebase_text_in_place_of_deriving_again,
    start_dependents_of_what_was_merely_started,
    start_dependents_of_what_has_failed,
    ask_for_one_run_of_a_backfill_only,
    start_without_the_date_before,
    wait_for_nothing_that_is_matched,
    wait_for_all_that_a_match_names,
    ask_for_one_of_those_that_agree_only,
    wait_for_nothing_that_was_taken_away_and_runs,
    let_claims_take_no_place,
    let_what_is_in_doubt_take_no_place,
    let_what_runs_take_no_place,
    let_what_is_gone_from_its_manifest_take_no_place,
    let_a_flow_have_any_number_at_once,
    go_on_whatever_has_failed,
    stop_for_what_is_tried_again,
    claim_without_recording_the_success_that_allows_it,
    start_what_was_called_off,
    start_what_was_not_named,
    forget_what_the_service_said_of_a_flow,
    try_again_while_the_attempt_before_runs,
    try_again_once_too_often,
    try_again_whatever_the_end,
    start_again_what_an_edit_names_otherwise,
    choose_the_stagger_anew_at_each_plan,
    choose_the_stagger_anew_unless_it_was_started,
    stagger_around_what_is_recorded_only,
    send_the_time_without_the_stagger,
    forget_what_was_adopted,
    adopt_what_was_claimed_meanwhile,
    take_the_end_of_what_has_an_adopted_id_by_now,
    believe_at_once_that_an_instance_is_forgotten,
    take_the_end_of_an_older_instance,
    take_all_between_two_readings_for_possible,
    believe_once_that_an_instance_is_gone,
    take_any_instance_of_the_id_for_the_runs,
    take_what_shows_no_nonce_for_the_runs,
    cancel_whatever_has_the_id,
    record_an_end_that_others_have_recorded,
    record_what_is_no_end,
    cancel_again_and_again,
    go_away_before_the_end,
    wait_for_its_own_starts_only,
]
