"""What docs/ci shows is what the templates make."""

import re
from pathlib import Path

import pytest

from tests.pipelines.samples import samples
from tests.repositories import PROJECT


@pytest.mark.parametrize("path", samples(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_pipeline_is_as_its_template_makes_it(path: Path) -> None:
    """`python -m tests.pipelines.update` writes it anew."""
    assert path.read_text() == samples()[path]


def test_every_pipeline_that_is_shown_has_a_template() -> None:
    shown = [*(PROJECT / "docs" / "ci").glob("*.yml"), *(PROJECT / "templates").iterdir()]
    assert sorted(shown) == sorted(samples())


@pytest.mark.parametrize("path", [PROJECT / "action.yml", *samples()], ids=lambda path: path.name)
def test_no_step_lets_python_import_what_lies_in_the_checkout(path: Path) -> None:
    """`python -m` looks for modules in the current folder first: a fork's `pip.py` would be run."""
    started = re.findall(r"\S*(?:python|PYTHON)\"? .*-m \w+", path.read_text())
    assert started == [one for one in started if " -I -m " in one]
