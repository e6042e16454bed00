"""docs/backfills.md tells the truth: each of its examples does what the page says."""

from collections import Counter
from pathlib import Path

import pytest

from tests.backfills.guide import DOCUMENT, Example, examples
from tests.backfills.running import Shown, show
from tests.repositories import isolate
from tests.sampling import sampled

EXAMPLES = examples(DOCUMENT.read_text(encoding="utf-8"))
STARTED = {1: 31, 2: 280, 3: 0, 4: 0, 5: 24, 6: 0, 7: 9, 8: 6, 9: 4, 10: 3}  # by example


def test_the_page_has_ten_examples_and_each_runs_a_command() -> None:
    assert [example.number for example in EXAMPLES] == list(range(1, 11))
    assert all(example.commands and example.files for example in EXAMPLES)


@pytest.mark.parametrize(
    "example", sampled(EXAMPLES, every=5), ids=lambda one: one.title.replace(" ", "-").lower()
)
def test_an_example_prints_what_the_page_says_and_starts_each_run_once(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    shown: Shown = show(example, tmp_path)
    expected = [command.printed for command in example.commands]
    assert list(shown.printed) == expected, "python -m tests.backfills.update"
    assert len(shown.instances) == STARTED[example.number]
    minutes = Counter((one.flow_id, one.trigger_time // 60_000) for one in shown.instances)
    if example.number != 10:  # there an attempt repeats its minute
        assert set(minutes.values()) <= {1}
