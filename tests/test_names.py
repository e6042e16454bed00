"""A name means one thing, and a function's name says what it does, or what it gives."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.repositories import PROJECT

_MODULES = [
    path for path in sorted((PROJECT / "reconciler").rglob("*.py")) if path.name != "__init__.py"
]


def _classes(tree: ast.Module) -> Iterator[str]:
    return (one.name for one in ast.walk(tree) if isinstance(one, ast.ClassDef))


def _functions(tree: ast.Module) -> Iterator[str]:
    found = (one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return (one.name for one in found if not one.name.startswith("_"))


@pytest.mark.parametrize("names", [_classes, _functions])
def test_no_two_classes_or_public_functions_have_one_name(
    names: Callable[[ast.Module], Iterator[str]],
) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module in _MODULES:
        for name in names(ast.parse(module.read_text(encoding="utf-8"))):
            places[name].append(module.name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_two_modules_have_one_name() -> None:
    names = [module.name for module in _MODULES]
    assert sorted(names) == sorted({*names})


# What is left to a reader to guess: `_told`, `_unsent`, `_answered`, `_in_the_way`, `_whose`.
_PARTICIPLE = re.compile(
    "_?([a-z]+ed|begun|chosen|found|given|gone|held|kept|known|left|lost|made|meant|met|said|seen"
    "|sent|shown|taken|told|written)"
)
_LEADING = re.compile(
    "_?(about|above|after|again|among|around|as|because|before|behind|below|besides?|between|both"
    "|by|during|each|either|for|how|in|into|off|on|once|out|over|since|such|than|that|there"
    "|through|to|together|twice|under|until|up|what|when|where|whether|which|while|who|whose|why)"
    "(_.*)?"
)
_USUAL = frozenset({"elapsed", "feed", "heed", "on", "under"})  # a clock's, verbs, a container's


def _is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {one.id for one in function.decorator_list if isinstance(one, ast.Name)}
    return bool(names & {"property", "cached_property"})


def _alternative(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is another constructor of its class, such as `Git.at`."""
    return any(
        isinstance(one, ast.Name) and one.id == "classmethod" for one in function.decorator_list
    )


def test_a_function_has_a_verb_or_the_noun_of_what_it_gives() -> None:
    wrong = []
    for module in _MODULES:
        for one in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if _is_property(one) or _alternative(one) or one.name.startswith("__"):
                continue
            riddle = _PARTICIPLE.fullmatch(one.name) or _LEADING.fullmatch(one.name)
            if riddle and one.name not in _USUAL:
                wrong.append(f"{module.name}: {one.name}")
    assert wrong == []
