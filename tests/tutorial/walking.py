"""Going through the tutorial: a remote whose `main` refuses pushes, and a gateway on a socket."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.sandbox import FlowInstance, Sandbox, SandboxOptions, environment, run_sandbox
from tests.backfills.running import always_alike
from tests.documented import Meanwhile, Typed
from tests.repositories import git, make_origin_and_clone, write_hook
from tests.starting.running import ran

_GATEWAY, _FOLDER = "https://apim.example.test", "/home/ada"
_REFUSES = '[ "$1" != refs/heads/main ] || { echo "main is protected" >&2; exit 1; }'
_MERGED = re.compile(r"(\S+) is merged")


@dataclass(kw_only=True)
class Reader:
    """Somebody who types what the page says, in a folder of their own."""

    folder: Path
    host: str = "github.com"  # in place of the page's
    here: Path = field(init=False)
    origin: Path = field(init=False)
    printed: list[str] = field(default_factory=list)  # by the commands, in their order
    instances: Sequence[FlowInstance] = ()  # of the service, in the end

    def go(self, steps: Sequence[Typed | Meanwhile]) -> None:
        """Do all of it."""
        self.here = self.folder / "ada"
        self.here.mkdir(parents=True)
        self._make_remote()
        sandbox = Sandbox(SandboxOptions(run_seconds=0.0))
        with run_sandbox(sandbox) as url:
            for step in steps:
                match step:
                    case Meanwhile():
                        self._happens(step.word, sandbox)
                    case Typed():
                        self.printed.append(self._typed(step.words, url))
        self.instances = sandbox.instances

    def _make_remote(self) -> None:
        """As a forge makes it: with a README, and a protected branch."""
        remotes = self.folder / "remotes"
        remotes.mkdir()
        made, clone = make_origin_and_clone(remotes, {"README.md": "# Runs\n"})
        del clone
        self.origin = made.rename(remotes / "runs.git")
        write_hook(self.origin, "update", _REFUSES)
        rule = f"url.{remotes.as_uri()}/.insteadOf"
        git(self.folder, "config", "--global", rule, f"https://{self.host}/acme/")

    def _happens(self, word: str, sandbox: Sandbox) -> None:
        if merged := _MERGED.fullmatch(word):
            git(self.origin, "update-ref", "refs/heads/main", f"refs/heads/{merged[1]}")
        else:
            assert word == "the pipeline has the keys"
            os.environ.update(environment(sandbox))

    def _typed(self, words: Sequence[str], url: str) -> str:
        """What the command prints on standard output, as it is every time."""
        command, *given = (
            word.replace(_GATEWAY, url).replace("github.com/acme/runs", f"{self.host}/acme/runs")
            for word in words
        )
        commands: dict[str, Callable[[], str]] = {
            "git": lambda: git(self.here, *_quietly(given)),
            "cat": lambda: (self.here / given[0]).read_text(encoding="utf-8"),
            "cd": lambda: self._change(given[0]),
            "reconciler": lambda: self._run(given),
        }
        told = always_alike(commands[command]())
        told = told.replace(str(self.folder / "ada"), _FOLDER)
        return told.replace("http://127.0.0.1:8765", _GATEWAY).replace(
            "127.0.0.1:8765", _GATEWAY.removeprefix("https://")
        )

    def _change(self, folder: str) -> str:
        self.here /= folder
        return ""

    def _run(self, given: Sequence[str]) -> str:
        done = ran(self.here, *given)
        assert done.code == 0, f"reconciler {' '.join(given)}: {done.out}{done.err}"
        return done.out


def _quietly(given: Sequence[str]) -> list[str]:
    return ["clone", "--quiet", *given[1:]] if given[0] == "clone" else list(given)
