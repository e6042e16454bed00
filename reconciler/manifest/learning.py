"""Which files' text is learned, so that others like them are read faster: see `blueprints`.

A repository with fewer files than are read before the first one is learned never loads that module.
"""

from typing import TYPE_CHECKING

from msgspec import Struct, field

from reconciler.manifest.document import Document
from reconciler.manifest.scalars import Verbatim, rule_of_document
from reconciler.manifest.text import UnreadableError, decode_text
from reconciler.model import Source

if TYPE_CHECKING:
    from reconciler.manifest.blueprints import Blueprint, Likeness

_FIRST_LEARNED = 10  # files to read before learning one, which takes as long as reading ten
_MOST_KNOWN = 16
_WORTH = 50  # files that blueprints must have read for each further one that is learned
_FREE = 4  # blueprints that are learned in any case


class Blueprints(Struct, kw_only=True):
    """The blueprints learned so far. Their number is bounded; they change only the speed."""

    verbatim: Verbatim
    known: list["Blueprint"] = field(default_factory=list)  # the last used one first
    strictly: int = 0  # sound files that no blueprint could read
    alike: int = 0  # files that a blueprint has read
    learned: int = 0

    def read(self, source: Source) -> "Likeness | None":
        """The only document of a file that fits a blueprint; None if the file fits none."""
        if not self.known:
            return None
        try:
            text = decode_text(source.content, source.path)
        except UnreadableError:
            return None
        for blueprint in self.known:
            found = blueprint.read(text, source.path)
            if found is not None:
                self.alike += 1
                if blueprint is not self.known[0]:
                    self.known.remove(blueprint)
                    self.known.insert(0, blueprint)
                return found
        return None

    def learn(self, source: Source, document: Document) -> None:
        """Learn a file that holds only this document, and has no problem."""
        self.strictly += 1
        if self.strictly < _FIRST_LEARNED or self.learned >= _FREE + self.alike // _WORTH:
            return
        self.learned += 1
        from reconciler.manifest.blueprints import blueprint_of

        blueprint = blueprint_of(source, document, rule_of_document(self.verbatim))
        if blueprint is not None:
            self.known = [blueprint, *self.known[: _MOST_KNOWN - 1]]
