"""The documents of a file as plain values, with the place of everything in them.

Stricter than YAML: duplicate keys, merge keys, tags and keys that are not text are problems.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from reconciler.manifest.build import Built, build
from reconciler.manifest.scalars import Verbatim
from reconciler.manifest.text import TextMark, UnreadableError, place_of
from reconciler.manifest.yaml import read_document_events
from reconciler.model import Marks, Place, Problem, Source
from reconciler.schema import Finding, SchemaName, Where, validate
from reconciler.schema.paths import Path


class Document(Struct, frozen=True, kw_only=True):
    """One document of a file. `value` has only JSON's types, and belongs to this document alone."""

    file: str
    start: TextMark | None
    built: Built

    @property
    def value(self) -> Any:
        """The plain value; None in place of values that are unknown because of a problem."""
        return self.built.value

    def place(self, path: Path, where: Where = "value") -> Place:
        """The place of the key or value; if it does not exist, the place of its nearest parent.

        The parent of the outermost fields is the document itself.
        """
        value, mark = self.built.value, self.start
        if where == "parent":
            path, where = path[:-1], "key"
        side = 0 if where == "key" else 1
        for part in path:
            marks = self.built.marks.get(id(value))
            if marks is None or part not in marks:
                break
            mark = marks[part][side]
            value = value[part]
        return place_of(mark, self.file)

    def marks(self, paths: Callable[[Any], Mapping[str, Path]]) -> Marks:
        """Where the paths that `paths` finds in the value stand, by the names that it gives."""
        found = {name: self.place(path) for name, path in paths(self.value).items()}
        return {name: (at.line, at.column) for name, at in found.items()}

    def problems(self, schema: SchemaName) -> list[Problem]:
        """What is wrong with the document: as YAML, and by the schema.

        Where a problem already makes a value unknown, findings of the schema about the None in its
        place are left out.
        """
        findings = validate(schema, self.value)
        problems = list(self.built.problems.values())
        problems += [self.problem(finding) for finding in findings if not self._is_known(finding)]
        return problems

    def problem(self, finding: Finding) -> Problem:
        """The finding at its place."""
        return Problem(
            place=self.place(finding.path, finding.where),
            code=finding.code,
            pointer=finding.pointer,
            message=finding.message,
        )

    def _is_known(self, finding: Finding) -> bool:
        path = finding.path
        if finding.where == "parent" and path[:-1] in self.built.incomplete:
            return True
        return self.is_unknown(path)

    @property
    def unknown_paths(self) -> set[Path]:
        """Where a value is unknown, or lacks what it would have, because of a problem of the YAML.

        Several may have one problem: what aliases repeat is reported under the first path to it.
        """
        return self.built.doubtful | self.built.incomplete

    def is_unknown(self, path: Path) -> bool:
        """Whether a problem of the YAML makes the value, or one around it, unknown."""
        doubtful = self.built.doubtful
        return bool(doubtful) and any(path[:end] in doubtful for end in range(len(path) + 1))


def read_documents(
    source: Source, verbatim: Verbatim = frozenset()
) -> tuple[list[Document], list[Problem]]:
    """The file's documents without empty ones, and a problem if the file cannot be read to its end.

    `verbatim`: paths of mappings and lists whose values are the text that the author wrote.
    """
    documents: list[Document] = []
    try:
        for events in read_document_events(source.content, source.path):
            if not events.is_empty:
                start = events.nodes[0].start_mark
                built = build(events, verbatim)
                documents.append(Document(file=source.path, start=start, built=built))
    except UnreadableError as error:
        return documents, [error.problem]
    if documents:
        return documents, []
    message = "the file declares nothing: write a document, or delete the file"
    return [], [Problem(place=Place(file=source.path), code="empty", message=message)]
