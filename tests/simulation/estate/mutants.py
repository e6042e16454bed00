"""Changes to the rules of identity and memory, each of which breaks the promise."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from reconciler import configuration, identity
from reconciler.apply import adopt, claim, knowledge, resolve
from reconciler.apply.ports import Snapshot
from reconciler.errors import GitError
from reconciler.git import CommitId, Git, commits, default, traces
from reconciler.git import push as git_push
from reconciler.git import remote as git_remote
from reconciler.git.kept_refs import Traces
from reconciler.git.sending import Heard, Move, send
from reconciler.identity import service_name
from reconciler.ledger.events import Claim, Service
from reconciler.model import EpochMs
from reconciler.plan import Plan
from reconciler.repository import books, continuity, declaring, store
from reconciler.repository.committed import CommittedLedger, LedgerFiles
from tests.simulation.estate.branches import move_head, revert, rewind
from tests.simulation.estate.people import (
    declare,
    forget_retired,
    mend,
    move_manifest,
    rehome,
    rename,
    split,
    start_anew,
)
from tests.simulation.estate.remote import Manners
from tests.simulation.estate.world import Change

Mutant = Callable[[pytest.MonkeyPatch], None]


class Trial(Struct, frozen=True, kw_only=True):
    """In which worlds a mutant is tried."""

    mutant: Mutant
    changes: Sequence[Change]
    manners: Manners
    adopting: float  # how often a person does


TRIALS: list[Trial] = []


def among(
    *changes: Change, manners: Manners | None = None, adopting: float = 0
) -> Callable[[Mutant], Mutant]:
    """Try the mutant where others make these changes, on a server with these manners."""

    def marked(mutant: Mutant) -> Mutant:
        its = manners or Manners()
        TRIALS.append(Trial(mutant=mutant, changes=changes, manners=its, adopting=adopting))
        return mutant

    return marked


# Identity


@among(move_manifest, split)
def forget_what_other_ledgers_record(patch: pytest.MonkeyPatch) -> None:
    duplicates = import_module("reconciler.rules.duplicates")
    original = duplicates.pools
    alone = identity.NOTHING_ELSE
    patch.setattr(duplicates, "pools", lambda runs, ledger, _: original(runs, ledger, alone))


@among(rename)
def read_no_ledger_that_nobody_names(patch: pytest.MonkeyPatch) -> None:
    def book(self: books.Naming, folder: str, content: Any) -> identity.Book | None:
        named = folder in self.environments or folder in self.retired
        return original(self, folder, content) if named else None

    original = books.Naming.book
    patch.setattr(books.Naming, "book", book)
    patch.setattr(continuity, "_ledger_traces", lambda *_: ())


@among(rename)
def let_a_ledger_be_orphaned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(identity, "_orphaned_problem", lambda _: None)
    patch.setattr(identity.Book, "concerns", lambda self, _: self.named)


@among(start_anew, forget_retired, mend)
def read_no_retired_ledger(patch: pytest.MonkeyPatch) -> None:
    def book(self: books.Naming, folder: str, content: Any) -> identity.Book | None:
        return None if folder in self.retired else original(self, folder, content)

    original = books.Naming.book
    patch.setattr(books.Naming, "book", book)
    patch.setattr(continuity, "_ledger_traces", lambda *_: ())


@among(rehome)
def let_a_ledger_go_on_at_another_service(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(identity, "_rehomed_problem", lambda *_: None)


@among(rehome, split, mend)
def know_a_service_by_its_organisation_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(identity, "goes_on", lambda one, other: one.org_id == other.org_id)


@among(rehome, rehome, start_anew, mend)
def take_a_name_for_another_service(patch: pytest.MonkeyPatch) -> None:
    def differ(one: Service, other: Service) -> bool:
        return service_name(one) == service_name(other)

    for module in (identity, declaring):
        patch.setattr(module, "may_be_one", differ)


@among(split, declare, declare, mend)
def let_folders_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(configuration, "_overlap_findings", lambda *_: ())


@among(move_manifest, split)
def look_at_the_problems_of_the_first_plan_only(patch: pytest.MonkeyPatch) -> None:
    def guard(self: knowledge.Knowledge, plan: Any) -> None:
        if id(self) not in seen:
            seen[id(self)] = self
            original(self, plan)

    seen: dict[int, knowledge.Knowledge] = {}
    original = knowledge.Knowledge.guard
    patch.setattr(knowledge.Knowledge, "guard", guard)


# By hand


@among(split, adopting=0.5)
def adopt_what_another_ledger_records(patch: pytest.MonkeyPatch) -> None:
    def plan_of(snapshot: Snapshot, now: EpochMs) -> Plan:
        return original(replace(snapshot, surroundings=identity.NOTHING_ELSE), now)

    original = adopt.plan_at
    patch.setattr(adopt, "plan_at", plan_of)


@among(rehome, adopting=0.5)
def adopt_into_the_ledger_of_another_service(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adopt, "check_ledgers", lambda _: None)


@among(rehome, adopting=0.5)
def record_what_the_service_before_was_asked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resolve, "check_asked", lambda *_: None)


@among(move_head, adopting=0.5)
def push_an_adoption_as_if_it_claimed_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "Adopted", Claim)


# Memory


@among(rename, rename, revert, mend)
def look_for_traces_of_the_same_name_only(patch: pytest.MonkeyPatch) -> None:
    def traces(git: Git, place: continuity.LedgerPlace, *rest: Any) -> Iterator[Any]:
        own = continuity.trace_name(git, place.environment.name, place.branch)
        return (one for one in original(git, place, *rest) if one.name == own)

    original = continuity._ledger_traces
    patch.setattr(continuity, "_ledger_traces", traces)


@among(move_head)
def forget_what_other_branches_record(patch: pytest.MonkeyPatch) -> None:
    def checked(*args: Any, **kept: Any) -> list[identity.Book]:
        original(*args, **kept)
        return []

    original = continuity.check_continuity
    patch.setattr(store, "check_continuity", checked)


@among(revert)
def take_files_of_one_name_for_the_same(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LedgerFiles, "is_as_in", lambda *_: True)


@among(revert)
def pass_over_what_two_ledgers_do_not_have_in_common(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CommittedLedger, "alike", lambda self, *_: len(self.content))


@among(rewind)
def forget_what_the_remote_keeps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(git_remote, "traces_among", lambda *_: Traces(trees={}, kept={}))


@among(revert, manners=Manners(traces="nowhere"))
def forget_what_the_history_says(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Git, "find_last_written", lambda *_: None)
    patch.setattr(git_remote, "traces_among", lambda *_: Traces(trees={}, kept={}))


@among()
def put_an_older_trace_over_a_newer_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(continuity.LedgerTraces, "_continues", lambda *_: True)


@among()
def begin_each_trace_anew(patch: pytest.MonkeyPatch) -> None:
    def written(root: Any, tree: Any, _: Any, message: str) -> Any:
        return original(root, tree, None, message)

    original = commits.write_commit
    patch.setattr(traces, "write_commit", written)


@among(manners=Manners(traces="on branches"))
def keep_traces_beside_the_branches_only(patch: pytest.MonkeyPatch) -> None:
    original = traces._places
    patch.setattr(traces, "_places", lambda *args: original(*args)[:1])


@among(rewind, manners=Manners(traces="nowhere"))
def forget_what_this_clone_has_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Git, "remember", lambda *_: None)
    patch.setattr(Git, "remember_next", lambda *_: False)


@among(rewind, manners=Manners(traces="nowhere"))
def remember_only_what_was_read_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(continuity.LedgerTraces, "see_own", lambda *_: None)


@among(manners=Manners(torn=1.0))
def leave_a_trace_that_came_without_its_branch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(git_push._Attempt, "_take_back", lambda *_: None)


@among(manners=Manners(torn=1.0))
def remove_a_trace_that_came_without_its_branch(patch: pytest.MonkeyPatch) -> None:
    def take_back(self: Any, along: Move) -> None:
        undone = Move(ref=along.ref, commit=CommitId(""), expected=along.commit)
        send(self.root, self.remote, [undone], timeout=self.timeout)

    patch.setattr(git_push._Attempt, "_take_back", take_back)


@among(manners=Manners(squashed=1.0))
def take_back_a_trace_that_came_with_a_commit_of_the_servers_own(
    patch: pytest.MonkeyPatch,
) -> None:
    patch.setattr(git_push._Attempt, "_is_squashed", lambda _: False)


@among(manners=Manners(merged=1.0, unread=0.5))
def take_for_absent_what_cannot_be_read(patch: pytest.MonkeyPatch) -> None:
    def is_held_by(self: Any, tip: CommitId | None) -> bool:
        try:
            return original(self, tip)
        except GitError:
            return False

    # A merge has all that the commit has, which would be noticed as well.
    patch.setattr(git_push._Attempt, "_is_squashed", lambda _: False)
    original = git_push._Attempt._is_held_by
    patch.setattr(git_push._Attempt, "_is_held_by", is_held_by)


# Pushes


@among(move_head)
def believe_a_claim_on_a_branch_that_is_no_longer_the_default_one(
    patch: pytest.MonkeyPatch,
) -> None:
    patch.setattr(git_push._Attempt, "_judge_landed", lambda *_: git_push.PushLanded())


@among(move_head, mend)
def believe_the_default_branch_that_was_remembered(patch: pytest.MonkeyPatch) -> None:
    def fetch(root: Any, remote: str, branch: str | None, more: Sequence[str]) -> Any:
        return original(root, remote, branch or default.read_remembered_branch(root, remote), more)

    original = default.fetch_shared
    patch.setattr(default, "fetch_shared", fetch)


@among(manners=Manners(nothing=0.6))
def believe_the_words_of_a_push_that_was_taken(patch: pytest.MonkeyPatch) -> None:
    def judge(self: Any) -> Any:
        return git_push.PushLanded() if self.answer.heard is Heard.TAKEN else original(self)

    original = git_push._Attempt._judge
    patch.setattr(git_push._Attempt, "_judge", judge)


@among(manners=Manners(rejected_landed=0.6))
def believe_the_words_of_a_push_that_was_rejected(patch: pytest.MonkeyPatch) -> None:
    def judge(self: Any) -> Any:
        return original(self) if self.answer.heard is Heard.TAKEN else self._declined_result()

    original = git_push._Attempt._judge
    patch.setattr(git_push._Attempt, "_judge", judge)


@among(manners=Manners(squashed=1.0))
def take_up_no_claim_that_is_on_the_branch_in_another_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claim.Claims, "take_up", lambda *_: None)


@among(manners=Manners(squashed=1.0), adopting=0.6)
def refuse_an_adoption_that_is_on_the_branch_in_another_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adopt.Adopting, "find_ledger", lambda *_: None)


@among(manners=Manners(unanswered=0.5))
def take_a_push_without_an_answer_for_landed(patch: pytest.MonkeyPatch) -> None:
    def once(self: Any, *moves: Any) -> Any:
        answer = original(self, *moves)
        return git_push.PushLanded() if isinstance(answer, git_push.PushUnclear) else answer

    original = git_push._Attempt._send_moves
    patch.setattr(git_push._Attempt, "_send_moves", once)


@among(manners=Manners(push_seconds=40.0))
def make_no_longer_claims_for_slow_pushes(patch: pytest.MonkeyPatch) -> None:
    def length(self: claim.Claims) -> float:
        return self._branch.snapshot.environment.limits.claim_seconds

    patch.setattr(claim.Claims, "_length", length)
