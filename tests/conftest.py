"""What tests of the real command against the sandbox and a bare remote begin with."""

import gc
import importlib
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import certifi
import pytest
from hypothesis import settings

from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import LASTING, Setting, make_setting, runs_of_one_flow_each
from tests.repositories import PROJECT, isolate
from tests.sampling import QUICKLY

_MEMORY = "/dev/shm"  # noqa: S108 - what is made in it has a name of its own, as in /tmp
_ROOM = 2 << 30  # bytes: far more than the repositories of the tests under way


def _holds_repositories(folder: str) -> bool:
    """Whether there is room in it, and hooks may run from it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    has_room = found.f_bavail * found.f_frsize >= _ROOM
    return has_room and not found.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


# Tests make and remove a million small files, for which a disk takes longer than they do.
if "TMPDIR" not in os.environ and _holds_repositories(_MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = _MEMORY

# How long an example takes says more of the machine than of the code: benchmarks measure that.
settings.register_profile("explore", deadline=None)
# Of one commit, the same examples each time: a change is not refused for what it did not touch.
settings.register_profile("thorough", deadline=None, derandomize=True)
settings.register_profile(QUICKLY, deadline=None, derandomize=True, max_examples=20)
settings.load_profile(QUICKLY)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: tests wait for claims, processes and answers, too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, 3 * (cores or 1) // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the proofs that take minutes the time for it, on a machine that has more to do."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for no garbage while thousands of tests are collected, nor among them later on.

    They all stay. To look through them again and again takes a fifth of the time of collecting.
    """
    gc.disable()
    _import_own_share(session.config)
    try:
        return (yield)
    finally:
        gc.enable()


def _import_own_share(config: pytest.Config) -> None:
    """Import a share of the test modules before all the others: each worker another one.

    In a fresh clone each is to be compiled, with its assertions. Workers that went through them in
    one order would all compile each of them; now each finds most of them done by another.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None or [PROJECT / one for one in config.args] != [PROJECT / "tests"]:
        return
    modules = sorted(path.relative_to(PROJECT) for path in PROJECT.glob("tests/**/test_*.py"))
    first = int(worker["workerid"].removeprefix("gw"))
    for module in modules[first :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):  # who collects it says what is wrong
            importlib.import_module(".".join(module.with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Let the collector pass over all that was collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _width() -> Iterator[None]:
    """What is shown is as wide as a test says, however wide the window is that runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of the usual authorities, one is read for each way to a gateway: all take 20 milliseconds.

    What tests speak to over TLS is known by a certificate of its own.
    """
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text(encoding="ascii").partition(end)
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    file.write_text(f"{first}{end}", encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def sandbox() -> Sandbox:
    """A service whose instances outlast the test."""
    return Sandbox(LASTING)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Setting]:
    """One declared run, in a clone of a bare remote."""
    isolate(monkeypatch, tmp_path)
    with run_sandbox(sandbox) as url:
        yield make_setting(tmp_path / "all", url, sandbox, runs_of_one_flow_each(1))
