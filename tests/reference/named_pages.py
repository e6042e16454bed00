"""Texts of the program that a user may be shown, and what they name that a user has not got.

Who installed the program has no copy of this repository: a path in it leads nowhere.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.repositories import PROJECT

_PACKAGE = PROJECT / "reconciler"
_PATH = re.compile(r"\bdocs/[\w./#-]*|\b[\w./-]+\.md\b|\b(?:README|CHANGELOG|CONTRIBUTING)\b")
_EXPLAINED = re.compile(r"reconciler explain ([a-z0-9][a-z0-9-]*)")
# The forges' names for a file of the user's own, and Markdown's ending beside no name.
_OF_THE_USER = {"docs/CODEOWNERS"}


@cache
def texts_of_the_program() -> tuple[tuple[str, str], ...]:
    """The `texts` of all of it, read once for all who look through them."""
    return tuple(texts(_PACKAGE))


def texts(package: Path) -> Iterator[tuple[str, str]]:
    """Each text that the program may show, with the file that it stands in.

    Docstrings are for whoever reads the source; what `--help` shows of them is on the page of the
    command line, which is looked at as well.
    """
    for path in sorted(package.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        silent = set(_docstrings(nodes))
        for node in nodes:
            if isinstance(node, ast.Constant) and node not in silent:
                yield str(path.relative_to(package)), str(node.value)
    for path in sorted(package.rglob("*.toml")):
        for one in tomllib.loads(path.read_text(encoding="utf-8")).values():
            words = (text for key, text in one.items() if key not in {"kinds", "page"})
            yield str(path.relative_to(package)), "\n".join(words)
    for path in sorted((package / "schemas").glob("*.json")):
        for text in _described(json.loads(path.read_text(encoding="utf-8"))):
            yield path.name, text


def named_paths(text: str) -> list[str]:
    """The paths of this repository, or of any, that the text names."""
    return [one for one in _PATH.findall(text) if one not in _OF_THE_USER]


def named_explanations(text: str) -> list[str]:
    """The codes that the text tells to have explained."""
    return _EXPLAINED.findall(text)


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[ast.Constant]:
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _described(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema["description"]
        for part in schema.values():
            yield from _described(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _described(part)
