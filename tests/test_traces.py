"""What this clone and the remote remember of a ledger, and what is said where it differs."""

import re
import shlex
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from reconciler.git import CommitId, Git, ObjectId
from reconciler.git.kept_refs import FETCHED, list_refs
from reconciler.repository.committed import CommittedLedger
from reconciler.repository.continuity import LedgerTraces, trace_name
from reconciler.sandbox import Sandbox
from tests.environments import Setting, manifest
from tests.repositories import (
    commit,
    git,
    isolate,
    make_clone,
    make_origin_and_clone,
    write_hook,
)
from tests.sampling import sampled

BESIDE = "refs/reconciler/ledger/main%3Atest"
SEEN = "refs/reconciler-memory/seen/main%3Atest"


def _apply(setting: Setting, clone: Path | None = None) -> str:
    done = setting.run("apply", clone=clone)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _refused(setting: Setting, clone: Path | None = None) -> str:
    done = setting.run("apply", clone=clone)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def _mend(said: str, clone: Path) -> None:
    """Do what the message says: each command in it that begins with git."""
    commands = re.findall(r"`(git (?:push|update-ref)[^`]*)`", said)
    assert len(commands) == 2, said
    for command in commands:
        git(clone, *shlex.split(command)[1:])


def _forge(setting: Setting, ref: str, text: str) -> None:
    """Somebody pushes another ledger as the trace."""
    forger = make_clone(setting.origin, setting.folder / "forger")
    git(forger, "config", "user.name", "Mallory")
    git(forger, "switch", "--quiet", "--orphan", "forged")
    commit(forger, {"ledger.jsonl": text})
    git(forger, "push", "--quiet", "--force", "origin", f"HEAD:{ref}")


def test_a_forged_trace_stops_everything_until_the_two_commands_have_mended_it(
    setting: Setting, sandbox: Sandbox
) -> None:
    _apply(setting)
    _forge(setting, BESIDE, "nothing that anybody wrote\n")
    for clone in (setting.clone, setting.clone_again("fresh")):
        said = _refused(setting, clone)
        assert "neither it nor the one that origin keeps continues the other" in said
        assert "pushed by Mallory <test@example.test>" in said
    _mend(said, clone)
    _apply(setting, clone)
    assert len(sandbox.instances) == 1
    assert git(setting.origin, "rev-parse", f"{BESIDE}^{{tree}}")


@pytest.mark.long  # a forged trace of this name stays
def test_a_forged_trace_of_another_name_says_whose_it_is_as_well(
    setting: Setting, sandbox: Sandbox
) -> None:
    _apply(setting)
    text = git(setting.origin, "show", "main:state/test/ledger.jsonl").replace("run-0", "run-9")
    _forge(setting, "refs/heads/reconciler-trace/main%3A$(echo)", text + "\n")
    fresh = setting.clone_again("fresh")
    said = _refused(setting, fresh)
    assert "no folder continues the one of $(echo) on main" in said
    assert "pushed by Mallory" in said
    _mend(said, fresh)
    _apply(setting, fresh)
    assert len(sandbox.instances) == 1


def test_a_mirror_that_lags_is_named_before_a_ledger_that_has_lost_events(
    setting: Setting, sandbox: Sandbox
) -> None:
    mirror = setting.folder / "mirror.git"
    git(setting.folder, "clone", "--quiet", "--mirror", str(setting.origin), str(mirror))
    _apply(setting)
    git(setting.clone, "config", "remote.origin.pushurl", setting.origin.as_uri())
    git(setting.clone, "remote", "set-url", "origin", mirror.as_uri())
    said = _refused(setting)
    assert "lags behind what is pushed to" in said
    assert said.index("lags behind") < said.index("has lost events")
    git(mirror, "fetch", "--quiet")
    _apply(setting)
    assert len(sandbox.instances) == 1


def test_nothing_is_started_under_a_claim_that_a_mirror_does_not_show(
    setting: Setting, sandbox: Sandbox
) -> None:
    mirror = setting.folder / "mirror.git"
    git(setting.folder, "clone", "--quiet", "--mirror", str(setting.origin), str(mirror))
    git(setting.clone, "config", "remote.origin.pushurl", setting.origin.as_uri())
    git(setting.clone, "remote", "set-url", "origin", mirror.as_uri())
    assert "only what is there counts" in _refused(setting)
    assert not sandbox.instances


def test_where_no_trace_can_be_kept_the_apply_says_so_and_is_fine(
    setting: Setting, sandbox: Sandbox
) -> None:
    write_hook(
        setting.origin, "update", 'case "$1" in refs/heads/main) ;; *) echo closed; exit 1;; esac'
    )
    assert "origin keeps no copy of the ledger for new clones" in _apply(setting)
    assert "its refusal is remembered" in _apply(setting)
    assert len(sandbox.instances) == 1


def test_a_refreshed_status_has_the_remote_keep_the_trace(setting: Setting) -> None:
    _apply(setting)
    git(setting.origin, "update-ref", "-d", BESIDE)
    fresh = setting.clone_again("fresh")
    done = setting.run("status", "--refresh", clone=fresh)
    assert done.returncode == 0, done.stderr
    kept = git(setting.origin, "rev-parse", f"{BESIDE}^{{tree}}")
    assert kept == git(setting.origin, "rev-parse", "main:state/test")


def test_a_clone_remembers_by_itself_where_neither_remote_nor_history_does(
    setting: Setting, sandbox: Sandbox
) -> None:
    before = git(setting.origin, "rev-parse", "main")
    _apply(setting)
    git(setting.origin, "update-ref", "-d", BESIDE)
    git(setting.origin, "update-ref", "refs/heads/main", before)
    git(setting.clone, "update-ref", "-d", "refs/reconciler-memory/kept/origin/main%3Atest")
    assert "does not continue the one that this clone has read before" in _refused(setting)
    assert len(sandbox.instances) == 1


def test_a_slow_process_does_not_make_its_clone_forget_what_another_has_seen(
    setting: Setting,
) -> None:
    here = Git.at(setting.clone)

    def ledger(parent: CommitId | None, text: str) -> tuple[CommitId, CommittedLedger]:
        made = here.commit_files(parent, {"state/test/ledger.jsonl": text.encode()}, "m")
        entries = here.list_tree(made, ["state/test"])
        return made, CommittedLedger.read(here, "state/test", entries)

    first, second, third = ledger(None, "1\n"), ledger(None, "1\n2\n"), ledger(None, "1\n2\n3\n")
    slow, fast = LedgerTraces(here, "origin", "test"), LedgerTraces(here, "origin", "test")
    slow.see("main", *first)
    fast.see("main", *first)
    fast.see_own("main", *third)
    slow.see_own("main", *second)
    assert git(setting.clone, "show", f"{SEEN}:ledger.jsonl") == "1\n2\n3"
    fast.see_own("main", *ledger(None, "1\n2\n3\n4\n"))
    assert git(setting.clone, "show", f"{SEEN}:ledger.jsonl") == "1\n2\n3\n4"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A clone in which nothing is recorded."""
    isolate(monkeypatch, tmp_path)
    return Git.at(make_origin_and_clone(tmp_path)[1])


SEALED = [f"ledger-{number:06d}-{number + 15:06d}.jsonl" for number in range(1, 161, 16)]


def _ledger(git: Git, files: dict[str, bytes]) -> CommittedLedger:
    made = git.commit_files(None, {f"state/test/{name}": one for name, one in files.items()}, "m")
    return CommittedLedger.read(git, "state/test", git.list_tree(made, ["state/test"]))


def test_of_two_ledgers_only_the_files_that_differ_are_read(
    repository: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: f"{name}\n".encode() * 2_000 for name in SEALED}
    before = _ledger(repository, files | {"ledger.jsonl": b"1\n"})
    grown = {"ledger-000161.jsonl": b"1\n2\n", "ledger.jsonl": b"3\n"}
    after = _ledger(repository, files | grown)
    read: list[str] = []
    original = Git.read_blobs

    def noted(self: Git, oids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
        wanted = list(oids)
        read.extend(wanted)
        return original(self, wanted)

    monkeypatch.setattr(Git, "read_blobs", noted)
    assert before == _ledger(repository, files | {"ledger.jsonl": b"1\n"})
    assert before != after
    assert before.continues(before)
    assert not read
    assert after.continues(before)
    assert not before.continues(after)
    assert set(read) == {after.content.blobs[name] for name in grown} | {
        before.content.blobs["ledger.jsonl"]
    }


@pytest.mark.parametrize("damaged", [SEALED[0], SEALED[-1], "ledger.jsonl"])
def test_a_ledger_in_which_any_one_file_has_lost_a_line_does_not_continue(
    repository: Git, damaged: str
) -> None:
    files = {name: f"{name} 1\n{name} 2\n".encode() for name in [*SEALED, "ledger.jsonl"]}
    before = _ledger(repository, files)
    after = _ledger(repository, files | {damaged: files[damaged].splitlines(keepends=True)[0]})
    assert not after.continues(before)
    assert before != after
    longer = _ledger(repository, files | {"ledger.jsonl": files["ledger.jsonl"] + b"3\n"})
    assert longer.continues(before)


def test_what_was_written_over_a_ledger_is_what_git_then_has(repository: Git) -> None:
    files = {name: f"{name}\n".encode() for name in [*SEALED, "ledger-000161.jsonl"]}
    before = _ledger(repository, files)
    written = before.with_changes({"ledger-000161.jsonl": None, "ledger.jsonl": b"new\n"})
    there = _ledger(repository, {name: files[name] for name in SEALED} | {"ledger.jsonl": b"new\n"})
    assert written == there
    assert there == written
    assert dict(written.content) == dict(there.content)
    assert written.text() == there.text() == b"".join(files[name] for name in SEALED) + b"new\n"
    assert written != before
    assert before.active == b""


@pytest.mark.long  # races of several processes
def test_environments_that_race_on_one_ledger_branch_all_land_and_none_speaks_of_a_lock(
    setting: Setting, sandbox: Sandbox
) -> None:
    text = (setting.clone / "reconciler.yaml").read_text()
    text = text.replace("claimSeconds: 2", "claimSeconds: 120")  # it outlasts a busy machine
    first = text[text.index("  test:") :]
    second = first.replace("test:", "other:", 1).replace("triggers", "more")
    second = second.replace("state/test", "state/other")
    files = {
        "reconciler.yaml": text.replace("version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
        + second,
        "more/late.yaml": manifest("late", 7),
    }
    commit(setting.clone, files)
    git(setting.clone, "push", "--quiet", "origin", "main", "main:led")
    # The first two pushes wait for each other in the server's hook, having seen the same tip.
    write_hook(
        setting.origin,
        "pre-receive",
        "grep -q led || exit 0; touch arrived.$$; for i in $(seq 600); do\n"
        "[ $(ls -d arrived.* | wc -l) -ge 2 ] && exit 0; sleep 0.05; done; exit 1",
    )
    clones = {name: setting.clone_again(name) for name in ("test", "other")}
    processes = [
        setting.start("apply", "--env", name, clone=clone) for name, clone in clones.items()
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=250)
        assert process.returncode == 0, stderr
        assert "lock" not in stderr
    assert sorted(instance.flow_id for instance in sandbox.instances) == [1, 7]


@pytest.mark.long  # the simulation of estates lives it
def test_what_a_killed_apply_has_started_is_known_to_whoever_reads_another_branch(
    setting: Setting, sandbox: Sandbox
) -> None:
    text = (setting.clone / "reconciler.yaml").read_text()
    lasting = text.replace("claimSeconds: 2", "claimSeconds: 120")  # it outlasts a busy machine
    commit(setting.clone, {"reconciler.yaml": lasting})
    git(setting.clone, "push", "--quiet", "origin", "main", "main:trunk")
    # The claim lands; what came of it never does.
    write_hook(setting.origin, "pre-receive", "test ! -e claimed && touch claimed")
    process = setting.start("apply")
    while not sandbox.instances and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    write_hook(setting.origin, "pre-receive", "exit 0")
    assert len(sandbox.instances) == 1
    git(setting.origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    assert "run-0" in _refused(setting, setting.clone_again("fresh"))
    assert len(sandbox.instances) == 1


@pytest.mark.long  # the simulation of estates lives it
def test_nothing_is_started_that_another_ledger_has_claimed_while_the_claim_was_made(
    setting: Setting, sandbox: Sandbox
) -> None:
    git(setting.clone, "switch", "--quiet", "--create", "rel")
    configured = (setting.clone / "reconciler.yaml").read_text()
    commit(setting.clone, {"reconciler.yaml": f"git: {{branch: rel}}\n{configured}"})
    git(setting.clone, "push", "--quiet", "origin", "rel")
    before = git(setting.origin, "rev-parse", "rel")
    _apply(setting)
    trace = "refs/reconciler/ledger/rel%3Atest"
    moved = {ref: git(setting.origin, "rev-parse", ref) for ref in ("refs/heads/rel", trace)}
    # All that is now comes again only when the claim on main has landed.
    git(setting.origin, "update-ref", "refs/heads/rel", before)
    git(setting.origin, "update-ref", "-d", trace)
    comes = "; ".join(f"git update-ref {ref} {oid}" for ref, oid in moved.items())
    write_hook(setting.origin, "post-receive", f"test -e done || {{ touch done; {comes}; }}")
    done = setting.run("apply", clone=setting.clone_again("fresh"))
    assert "another ledger has claimed 1 of the runs meanwhile" in done.stderr
    assert done.returncode != 0
    assert len(sandbox.instances) == 1


def test_a_claim_is_taken_up_where_what_another_ledger_has_recorded_meanwhile_is_something_else(
    setting: Setting, sandbox: Sandbox
) -> None:
    git(setting.clone, "switch", "--quiet", "--create", "rel")
    trace = git(setting.clone, "commit-tree", "-m", "Trace", _empty_tree(setting))
    git(setting.clone, "push", "--quiet", "origin", f"{trace}:refs/tags/kept", "rel")
    comes = f"git update-ref refs/reconciler/ledger/rel%3Atest {trace}"
    write_hook(setting.origin, "post-receive", f"test -e done || {{ touch done; {comes}; }}")
    _apply(setting, setting.clone_again("fresh"))
    assert len(sandbox.instances) == 1


def _empty_tree(setting: Setting) -> str:
    return git(setting.clone, "mktree", stdin="")


def test_a_trace_that_somebody_deleted_comes_again_with_the_next_claim(setting: Setting) -> None:
    _apply(setting)
    git(setting.clone, "pull", "--quiet")
    commit(setting.clone, {"triggers/late.yaml": manifest("late", 7)})
    git(setting.clone, "push", "--quiet", "origin", "main", f":{BESIDE}")
    write_hook(setting.origin, "pre-receive", f"cat >>pushed; grep -q {BESIDE} pushed")
    _apply(setting)
    assert git(setting.origin, "rev-parse", f"{BESIDE}^{{tree}}")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    sampled(
        [
            ("blob", "foo", "git ls-tree failed"),
            ("tag of a blob", "foo", "git ls-tree failed"),
            ("garbage", "main%3Aold", "ledger.jsonl:1: not a ledger event"),
            ("a newer format", "main%3Aold", "ledger.jsonl:1: written in format 2"),
            ("a link", "main%3Aold", "ledger.jsonl: not a file"),
            ("another ledger", "a%2E%2Eb%3Aold", "no folder continues the one of old on a..b"),
            ("another ledger", "a%00b%3Aold", "no folder continues the one of old on a"),
        ],
        every=9,
    ),
)
def test_a_trace_that_cannot_be_read_says_where_it_is_and_how_to_delete_it(
    setting: Setting, content: str, name: str, said: str
) -> None:
    git(setting.clone, "push", "--quiet", "origin", f"{_unreadable(setting, content)}:refs/x/1")
    git(setting.origin, "update-ref", f"refs/reconciler/ledger/{name}", "refs/x/1")
    message = _refused(setting)
    assert said in message
    _mend(message, setting.clone)
    _apply(setting)


def _unreadable(setting: Setting, content: str) -> str:
    clone = setting.clone
    claim = (
        '{"v":1,"event":"claim","at":"2024-03-01T00:00:00Z","claim":"c1","by":"x",'
        '"until":"2024-03-01T00:02:00Z","commit":"c","runs":{}}\n'
    )
    texts = {"a newer format": claim.replace('"v":1', '"v":2'), "another ledger": claim}
    blob = git(clone, "hash-object", "-w", "--stdin", stdin=texts.get(content, "hi\n"))
    if content == "blob":
        return blob
    if content == "tag of a blob":
        git(clone, "tag", "--annotate", "-m", "Tag", "odd", blob)
        return git(clone, "rev-parse", "refs/tags/odd")
    mode = "120000" if content == "a link" else "100644"
    tree = git(clone, "mktree", stdin=f"{mode} blob {blob}\tledger.jsonl\n")
    return git(clone, "commit-tree", "-m", "Trace", tree)


def test_the_trace_of_a_folder_with_a_long_name_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    _, clone = make_origin_and_clone(tmp_path, {"x": "1"})
    repository = Git.at(clone)
    for deep in ("数据" * 30, "数据" * 31):  # one is not taken for the other
        (clone / deep).mkdir()
    names = {
        trace_name(Git.at(clone / deep), environment, branch)
        for deep in ("数据" * 30, "数据" * 31)
        for environment in ("prod", "test")
        for branch in ("main", "rel", "生产" * 20)
    }
    assert len(names) == 12
    commit = repository.commit_files(None, {"state/ledger.jsonl": b"x"}, "m")
    for name in names:
        kept = repository.keep("origin", name, commit, "state", lambda *_: True)
        assert kept is None
        assert [one.name for one in list_refs(clone, f"{FETCHED}/origin/{name}")]


def test_the_refusal_of_one_trace_is_not_held_against_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    origin, clone = make_origin_and_clone(tmp_path, {"x": "1"})
    write_hook(origin, "update", 'case "$1" in */bad) exit 1;; esac')
    repository = Git.at(clone)
    commit = repository.commit_files(None, {"state/ledger.jsonl": b"x"}, "m")
    assert repository.keep("origin", "bad", commit, "state", lambda *_: True) is not None
    assert repository.keep("origin", "good", commit, "state", lambda *_: True) is None
