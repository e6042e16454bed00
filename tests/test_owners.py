"""CODEOWNERS as forges read it: the last line that names a path decides."""

import pytest

from reconciler.repository.owners import owners_of


@pytest.mark.parametrize(
    ("text", "path", "owners"),
    [
        ("* @all\n", "state/prod/ledger.jsonl", ("@all",)),
        ("/state/ @ops\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("state/ @ops\n", "data/state/prod/ledger.jsonl", ("@ops",)),
        ("/state/ @ops\n", "data/state/prod/ledger.jsonl", ()),
        ("/state @ops\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("/state/** @ops\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("/state/* @ops\n", "state/prod/ledger.jsonl", ()),
        ("/state/*/ledger*.jsonl @ops\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("**/prod/ @ops\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("*.yaml @a @b\n", "reconciler.yaml", ("@a", "@b")),
        ("reconciler.yaml @a\n", "reconciler-yaml", ()),
        ("* @all\n/state/\n", "state/prod/ledger.jsonl", ()),
        ("/state/ @ops # the ledger\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("# /state/ @ops\n", "state/prod/ledger.jsonl", ()),
        ("[Ledger] @ops\n/state/\n", "state/prod/ledger.jsonl", ("@ops",)),
        ("^[Ledger][2] @ops\n/state/\n", "state/prod/ledger.jsonl", ("@ops",)),
    ],
)
def test_the_last_line_that_names_a_path_says_who_owns_it(
    text: str, path: str, owners: tuple[str, ...]
) -> None:
    assert owners_of(text, path) == owners
