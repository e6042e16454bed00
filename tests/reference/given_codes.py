"""The codes that the program's source gives, read without running it.

A code is what is passed as a parameter called `code`, by that name or in its place: as text, as a
constant of a module, or as one of two of these. Members of `Reason` and `ExitCode` are codes as
they are.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.errors import ExitCode
from reconciler.plan import Reason
from tests.repositories import PROJECT

_PACKAGE = PROJECT / "reconciler"
_ELSEWHERE = {"sandbox", "enos"}  # what they call a code is a number of the service's


def given_codes(package: Path = _PACKAGE) -> dict[str, set[str]]:
    """Each code, and the files that give it."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
        if _ELSEWHERE.isdisjoint(path.relative_to(package).parts)
    }
    nodes = {path: list(ast.walk(tree)) for path, tree in trees.items()}
    places = defaultdict(set)
    constants: dict[str, str] = {}
    for path, tree in trees.items():
        constants |= dict(_constants(tree))
        for name, place in _parameters(nodes[path]):
            places[name].add(place)
    found = defaultdict(set)
    for path in trees:
        for argument in _arguments(nodes[path], places):
            for code in _texts(argument, constants):
                found[code].add(str(path.relative_to(package)))
    return dict(found)


def every_code() -> set[str]:
    """All that may be met: in documents, in messages, and as the exit code."""
    reasons = {reason.value for reason in Reason}
    return set(given_codes()) | reasons | {str(code.value) for code in ExitCode}


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    yield target.id, node.value.value


def _parameters(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Each function that takes a code by position, and which position that is."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [one.arg for one in node.args.args if one.arg not in {"self", "cls"}]
            if "code" in names:
                yield node.name, names.index("code")


def _arguments(nodes: Iterable[ast.AST], places: dict[str, set[int]]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            named = zip(node.args.args[::-1], node.args.defaults[::-1], strict=False)
            yield from (default for one, default in named if one.arg == "code")
        if isinstance(node, ast.Call):
            called = node.func
            name = getattr(called, "id", getattr(called, "attr", ""))
            yield from (one.value for one in node.keywords if one.arg == "code")
            yield from (node.args[at] for at in places.get(name, ()) if at < len(node.args))


def _texts(argument: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body, constants)
            yield from _texts(other, constants)
        case _:
            return  # a code that is handed on: whoever gives it is found
