"""Which parameters are sensitive, and what cannot be."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from reconciler.expansion.common import SENSITIVE, _fits, sensitive_findings, sensitive_names
from reconciler.model import mask_value
from tests.building import a_run


@pytest.mark.parametrize(
    "key", ["DB_PASSWORD", "password", "clientSecret", "AUTH_TOKEN", "s3_access_key_2", "API_KEY"]
)
def test_names_that_mean_secrets_are_sensitive_by_themselves(key: str) -> None:
    assert sensitive_names({"parameters": {key: "x", "SITE": "y"}}, SENSITIVE) == {key}


@pytest.mark.parametrize("key", ["SITE", "KEY", "TOKENS_PER_DAY", "PASS", "MONKEY"])
def test_other_names_are_not(key: str) -> None:
    assert sensitive_names({"parameters": {key: "x"}}, SENSITIVE) == frozenset()


def test_a_manifest_names_its_own_exactly() -> None:
    spec: dict[str, Any] = {"parameters": {"A": "1", "a": "2"}, "sensitive": ["A"]}
    assert sensitive_names(spec, ()) == {"A"}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"parameters": {"A": "1"}, "sensitive": ["A", "B"]}, ("spec", "sensitive", 1)),
        ({"matrix": {"A": ["1"]}, "sensitive": ["A"]}, ("spec", "matrix", "A")),
        ({"matrix": {"DB_PASSWORD": ["1"]}}, ("spec", "matrix", "DB_PASSWORD")),
    ],
)
def test_what_cannot_be_kept_from_view_is_a_problem(spec: dict[str, Any], path: Any) -> None:
    (finding,) = sensitive_findings(spec, SENSITIVE)
    assert (finding.path, finding.code) == (path, "sensitive")


def test_only_sensitive_values_are_masked_and_equal_ones_look_alike() -> None:
    run = a_run(parameters=(("A", "1"), ("B", "1"), ("C", "1")), sensitive=frozenset({"A"}))
    assert run.shown_parameters() == (("A", mask_value("1")), ("B", "1"), ("C", "1"))
    also = dict(run.shown_parameters(frozenset({"C"})))
    assert also == {"A": mask_value("1"), "B": "1", "C": mask_value("1")}
    assert mask_value("1") != mask_value("2")


@pytest.mark.parametrize(
    "pattern", ["", "*", "**", "ab", "a*", "*a", "b*", "*b", "*a*", "?*", "[a]*"]
)
@pytest.mark.parametrize("key", ["", "a", "ab", "ba", "a\nb", "[a]"])
def test_a_pattern_means_what_a_shell_means_by_it(key: str, pattern: str) -> None:
    assert _fits(key, pattern) is fnmatchcase(key, pattern)
