"""A name means one thing: no two modules, classes or public functions share one."""

import ast
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
