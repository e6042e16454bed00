"""A clone, and the git that the product runs in it: the commands that it uses, by their words."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from reconciler.git.command import CompletedGit, GitTimeoutError
from reconciler.git.packets import VARIABLE
from tests.simulation.estate.objects import Objects
from tests.simulation.estate.remote import HEADS, Move, Refs, Remote

_OK, _NO = 0, 1
_NOTHING = "0" * 40


@dataclass(slots=True, eq=False, kw_only=True)
class Clone:
    """One clone on some machine. `pause(what, seconds)` lets time pass, or ends the process."""

    name: str
    objects: Objects
    origin: Remote
    fork: Remote | None = None  # where pushes go, by a setting, though it is fetched from origin
    pause: Callable[[str, float], None] = lambda *_: None
    cut: frozenset[str] = frozenset()  # of a shallow clone: commits whose parents it does not have
    checkout: str | None = None  # the commit whose files lie there
    refs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    pushed: Callable[[str], None] = lambda _: None  # is told which commit somebody pushes
    saw: list[bytes] = field(default_factory=list)  # ledgers that an apply here has put there
    heard: str | None = None  # the default branch, as the remote said when it was cloned
    is_talkative: bool = True  # its git writes down what the remote says of HEAD
    _packets: str | None = None  # where

    def complete(
        self,
        args: Sequence[str],
        stdin: bytes | None,
        timeout: float,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> CompletedGit:
        """What git comes to."""
        self._packets = variables.get(VARIABLE)
        words = list(args)
        trailer = next((w for w in words if w.startswith("--grep=")), None)
        while words[0].startswith("-"):
            del words[: 2 if words[0] == "-c" else 1]
        command, *rest = words
        match command:
            case "push":
                return self._push(rest, timeout)
            case "log" if trailer is not None:
                return _done(self._log(trailer, rest))
            case "log":
                return _done("Somebody <a@b.test> at 2024-03-01T00:00:00Z")
            case "commit-tree":
                return _done(self._commit_tree(rest, stdin or b""))
            case "unpack-objects":
                self.objects.unpack(stdin or b"")
                return _done("")
            case "update-ref" if rest == ["--stdin"]:
                return self._update_refs((stdin or b"").decode().splitlines())
            case "cat-file" if "--batch" not in rest:
                oids = (stdin or b"").decode().split()
                return _done("\n".join(str(len(self.objects.blobs[oid])) for oid in oids))
            case "cat-file":
                return self._cat((stdin or b"").decode().split())
            case _:
                answer: CompletedGit = getattr(self, f"_{command.replace('-', '_')}")(rest)
                return answer

    # What asks nobody else

    def _check_ref_format(self, _: list[str]) -> CompletedGit:
        return _done("")

    def _merge_base(self, words: list[str]) -> CompletedGit:
        old, new = words[-2:]
        return _done("", _OK if self.objects.is_ancestor(old, new, self.cut) else _NO)

    def _remote(self, words: list[str]) -> CompletedGit:
        forked = self.fork is not None and "--push" in words
        return _done("https://host/fork" if forked else "https://host/origin")

    def _config(self, words: list[str]) -> CompletedGit:
        if words[0] == "--list":
            said = (f"local\0file:.git/config\0{name}\n{value}\0" for name, value in self._known())
            return _done("".join(said))
        self.settings[words[0]] = words[1]
        return _done("")

    def _known(self) -> Iterator[tuple[str, str]]:
        yield "remote.origin.url", "https://host/origin"
        if self.fork is not None:
            yield "remote.origin.pushurl", "https://host/fork"
        for name, value in self.settings.items():
            section, _, rest = name.partition(".")
            between, _, word = rest.rpartition(".")
            yield f"{section}.{between}.{word.lower()}", value

    def _symbolic_ref(self, _: list[str]) -> CompletedGit:
        if self.heard is None:
            return _done("", _NO)
        return _done(f"refs/remotes/origin/{self.heard}")

    def _rev_parse(self, words: list[str]) -> CompletedGit:
        if words == ["--is-shallow-repository"]:
            return _done("true" if self.cut else "false")
        found = [self._resolve(word) for word in words if not word.startswith("--")]
        return _done("\n".join(filter(None, found)), _OK if all(found) else _NO)

    def _resolve(self, spec: str) -> str | None:
        name, _, wanted = spec.partition("^")
        name, colon, path = name.partition(":")
        oid: str | None = self.refs.get(name, name)
        if colon and oid is not None:
            oid = self.objects.at(oid, path)
        if oid is None or wanted == "{tree}":
            return None if oid is None else self.objects.tree_of(oid)
        if wanted == "{commit}":
            return oid if oid in self.objects.commits else None
        return oid if self._has(oid) else None

    def _has(self, oid: str) -> bool:
        objects = self.objects
        return oid in objects.commits or oid in objects.trees or oid in objects.blobs

    def _update_ref(self, words: list[str]) -> CompletedGit:
        if words[0] == "-d":
            self.refs.pop(words[1], None)
            return _done("")
        found = self._resolve(words[1])
        if found is None or (len(words) > 2 and self.refs.get(words[0], "") != words[2]):
            return _done("", 128)
        self.refs[words[0]] = found
        return _done("")

    def _update_refs(self, orders: list[str]) -> CompletedGit:
        """All of them or none."""
        before = dict(self.refs)
        for order in orders:
            word, *words = order.split(" ")
            if self._update_ref([*words, ""] if word == "create" else words).exit_code:
                self.refs = before
                return _done("", 128)
        return _done("")

    def _for_each_ref(self, words: list[str]) -> CompletedGit:
        lines = []
        for name, oid in sorted(self.refs.items()):
            if any(f"{name}/".startswith(f"{prefix.rstrip('/')}/") for prefix in words[1:]):
                is_commit = oid in self.objects.commits
                kind = f"commit {oid} {self.objects.tree_of(oid)}" if is_commit else f"tree {oid} "
                lines.append(f"{name} {kind}")
        return _done("\n".join(lines))

    def _ls_tree(self, words: list[str]) -> CompletedGit:
        tree = self._resolve(next(word for word in words if not word.startswith("-")))
        if tree is None:
            return _done("", 128)
        if "-r" in words:
            listed = self.objects.walk(tree, folders="-t" in words)
            return _done("".join(entry.line for entry in listed))
        entries = self.objects.trees[self.objects.tree_of(tree) or ""]
        return _done("".join(entry.line for entry in entries))

    def _commit_tree(self, words: list[str], message: bytes) -> str:
        parents = (words[words.index("-p") + 1],) if "-p" in words else ()
        return self.objects.commit(words[0], parents, message.decode())

    def _cat(self, oids: list[str]) -> CompletedGit:
        parts = []
        for oid in oids:
            content = self.objects.blobs[oid]
            parts.append(b"%s blob %d\n%s\n" % (oid.encode(), len(content), content))
        return CompletedGit(exit_code=_OK, stdout=b"".join(parts), stderr="")

    def _log(self, grep: str, words: list[str]) -> str:
        """The newest commit with that trailer that changed the folder, and what it changed."""
        folder, commit = words[-1], words[-3]
        pattern = re.compile(grep.removeprefix("--grep="), re.MULTILINE)
        for oid in self.objects.history(commit, self.cut):
            written = self.objects.commits[oid]
            parents = () if oid in self.cut else written.parents
            here = self.objects.at(oid, folder)
            before = [self.objects.at(parent, folder) for parent in parents] or [None]
            if pattern.search(written.message) and all(here != one for one in before):
                if len(before) > 1 or here not in self.objects.trees:
                    return f"{oid}\0"  # as of a merge
                return f"{oid}\0\n:040000 040000 {_NOTHING} {here} M\0{folder}\0"
        return ""

    # What asks the remote

    def _ls_remote(self, words: list[str]) -> CompletedGit:
        broken = self._reach("ls-remote")
        if broken is not None:
            return broken
        seen = self.origin.seen()
        wanted = words[words.index("--") + 2 :]
        lines = [f"ref: {HEADS}{seen.head}\tHEAD"] if f"{HEADS}{seen.head}" in seen.refs else []
        for ref, oid in sorted(_shown(seen).items()):
            if any(fnmatchcase(ref, pattern) for pattern in wanted):
                lines.append(f"{oid}\t{ref}")
        return _done("\n".join(lines))

    def _reach(self, what: str) -> CompletedGit | None:
        self.pause(what, 0.02 + self.origin.random.random() * 0.3)
        if self.origin.random.random() >= self.origin.manners.unread:
            return None
        return CompletedGit(
            exit_code=128, stdout=b"", stderr="fatal: unable to access: Could not resolve host"
        )

    def _fetch(self, words: list[str]) -> CompletedGit:
        broken = self._reach("fetch")
        if broken is not None:
            return broken
        said = self.origin.seen()
        seen = _shown(said)
        if self._packets is not None and self.is_talkative and "HEAD" in seen:
            named = f"packet: fetch< {seen['HEAD']} HEAD symref-target:{HEADS}{said.head}\n"
            Path(self._packets).write_text(named, encoding="utf-8")
        specs = words[words.index("--") + 2 :]
        brought = dict(pair for spec in specs for pair in _matches(spec, seen))
        for spec in specs:
            source = spec.removeprefix("+").partition(":")[0]
            if "*" not in source and source not in seen:
                absent = f"fatal: couldn't find remote ref {source}"
                return CompletedGit(exit_code=128, stdout=b"", stderr=absent)
        if "--depth=1" in words:
            self.cut |= frozenset(brought.values())
        self.refs |= {name: oid for name, oid in brought.items() if name}
        self.pause("fetched", 0.02)
        return _done("")

    def _push(self, words: list[str], timeout: float) -> CompletedGit:
        specs = words[words.index("--") + 2 :]
        leases = (word for word in words if word.startswith("--force-with-lease="))
        moves = list(map(_move, leases, specs))
        target = self.fork or self.origin
        most = self.origin.manners.push_seconds + 0.4
        seconds = self.origin.manners.push_seconds + self.origin.random.random() * 0.4
        self.pause("push", seconds * 0.9 if most < timeout else timeout)
        if "--atomic" in words and target.manners.atomic == "refused":
            refusal = "fatal: the receiving end does not support --atomic push"
            return CompletedGit(exit_code=128, stdout=b"", stderr=refusal)
        said = target.push(moves)
        self.pushed(moves[0].commit or "")
        self.pause("pushed", seconds * 0.1)
        if said.words is None:
            if self.origin.random.random() < 0.5:
                raise GitTimeoutError(f"git push took longer than {timeout:g} s")
            return CompletedGit(exit_code=128, stdout=b"", stderr="fatal: the remote end hung up")
        flag = "!" if said.rejected else " "
        # Of the other refs it says the same: it may be as wrong about them.
        lines = "".join(f"{flag}\t{spec}\t{said.words}\n" for spec in specs)
        text = f"To https://host/origin\n{lines}Done\n"
        return _done(text, _NO if said.rejected else _OK)


def _move(lease: str, spec: str) -> Move:
    """What a refspec asks for, on its condition."""
    ref, _, expected = lease.partition("=")[2].partition(":")
    commit = spec.partition(":")[0]
    return Move(ref=ref, commit=commit or None, expected=expected or None)


def _shown(seen: Refs) -> dict[str, str]:
    """What a server lists: its refs, and what its HEAD names if that is there."""
    head = seen.refs.get(f"{HEADS}{seen.head}")
    return seen.refs if head is None else {**seen.refs, "HEAD": head}


def _matches(spec: str, refs: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What a refspec brings, and where to; "" for what goes nowhere."""
    source, _, target = spec.removeprefix("+").partition(":")
    for ref, oid in refs.items():
        if fnmatchcase(ref, source):
            rest = ref.removeprefix(source.removesuffix("*"))
            yield target.removesuffix("*") + rest if target.endswith("*") else target, oid


def _done(text: str, exit_code: int = _OK) -> CompletedGit:
    return CompletedGit(exit_code=exit_code, stdout=text.encode(), stderr="")
