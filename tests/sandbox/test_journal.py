"""The record of requests, in memory and in a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler.errors import ConfigurationError
from reconciler.sandbox import Drop, Fault, Reply, Sandbox, SandboxOptions
from tests.sandbox.asking import NOW, served


def test_every_request_is_recorded_with_what_it_did_and_what_was_answered() -> None:
    with served(
        Fault(on="trigger", after=1, ending=Drop(effect=True)),
        Fault(on="trigger", after=1, ending=Reply(status=503)),
    ) as it:
        name = it.client.triggered()
        with pytest.raises(httpx.ReadError):
            it.client.trigger()
        it.client.trigger()
        it.client.trigger(parameters=None)
        it.client.cancel(name)
        it.client.cancel("1-2")
        recorded = [
            (one.operation, one.flow_id, one.effect, one.instance, one.status, one.code)
            for one in it.sandbox.requests
        ]
        assert recorded == [
            ("token", None, False, None, 200, 0),
            ("trigger", 3377, True, name, 200, 0),
            ("trigger", 3377, True, f"{name}-2", None, None),
            ("trigger", 3377, False, None, 503, 503),
            ("trigger", 3377, False, None, 400, 400),
            ("cancel", 3377, True, name, 200, 0),
            ("cancel", None, False, None, 200, 62104),
        ]
        assert {one.at for one in it.sandbox.requests} == {NOW}


def test_the_journal_has_the_line_before_the_client_has_the_answer(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text("kept\n")
    with served(options=SandboxOptions(journal=journal)) as it:
        name = it.client.triggered()
        kept, _, line = journal.read_text().splitlines()
        assert kept == "kept"
        assert json.loads(line) == {
            "at": NOW,
            "operation": "trigger",
            "flowId": 3377,
            "effect": True,
            "instance": name,
            "status": 200,
            "code": 0,
        }


def test_a_client_that_stops_in_the_middle_of_its_request_leaves_no_trace() -> None:
    with served() as it:

        def broken_off() -> Iterator[bytes]:
            yield b"{"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            it.client.http.post(
                "/batch-processing-service/v2.1/flows?action=updateAndTrigger",
                content=broken_off(),
            )
        it.client.search()
        assert [one.operation for one in it.sandbox.requests] == ["token", "search"]
        assert it.sandbox.instances == []


def test_a_journal_that_cannot_be_written_is_a_problem_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent/journal cannot be written: No such"):
        Sandbox(SandboxOptions(journal=tmp_path / "absent" / "journal"))
