"""The page taken apart, as a browser would read it."""

import json
import re
from html.parser import HTMLParser
from typing import Any


class PageParts(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []  # element, attribute, value
        self.shown: list[str] = []  # texts outside scripts and the style sheet
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open = tag if tag in self.inside else ""
        if self._open:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data
        else:
            self.shown.append(data)

    @property
    def text(self) -> str:
        """What is shown without the script, on one line."""
        return " ".join(" ".join(self.shown).split())

    @property
    def policy(self) -> str:
        """What the page allows itself."""
        at = self.attributes.index(("meta", "http-equiv", "Content-Security-Policy"))
        return self.attributes[at + 1][2]

    @property
    def data(self) -> Any:
        """What the script reads."""
        return json.loads(self.inside["script"][0])

    def rows(self) -> list[dict[str, Any]]:
        """The runs, with texts in place of their numbers."""
        data = self.data
        columns, texts = data["columns"], data["texts"]
        found = []
        for at in range(len(columns["run"])):
            row = {name: values[at] for name, values in columns.items()}
            for name in ("reason", "why", "date", "file", "status"):
                row[name] = texts[row[name]]
            for name in ("parameters", "labels"):
                row[name] = row[name] and [texts[one] for one in row[name]]
            row["look"] = data["looks"][row["look"]][0]
            row["state"] = data["states"][row["state"]]
            found.append(row)
        return found


def scripts_of(page: str) -> int:
    """How many elements of a script any reader can find, however careless."""
    return len(re.findall(r"<\s*script", page, re.IGNORECASE))
