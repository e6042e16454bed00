"""What a CODEOWNERS file says of a path, as GitHub and GitLab read it. Pure."""

import re
from collections.abc import Iterator
from functools import cache

# Where a forge looks for the file, in its order: it reads only the first that it finds.
GITHUB_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
GITLAB_PLACES = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
PLACES = tuple(dict.fromkeys((*GITHUB_PLACES, *GITLAB_PLACES)))

TEAM = "@YOUR-TEAM"  # stands for owners whom nobody has named

_SECTION = re.compile(r"^\^?\[[^\]]+\]")  # GitLab's: what follows on the line is its default owners


def owners_of(text: str, path: str) -> tuple[str, ...]:
    """The owners of the path; none if no line matches it, or the last one that does names none."""
    found: tuple[str, ...] = ()
    for pattern, owners in _rules(text):
        if _expression(pattern).fullmatch(path):
            found = owners
    return found


def _rules(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    default: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#", 1)[0].strip() if not line.startswith("\\#") else line
        section = _SECTION.match(words)
        if section is not None:
            rest = words[section.end() :].split()
            default = tuple(one for one in rest if not one.startswith("["))
        elif words:
            pattern, *owners = words.replace("\\ ", "\0").split()
            yield pattern.replace("\0", " "), tuple(owners) or default


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as gitignore has it, without negation and ranges, which forges do not take."""
    anchored = "/" in pattern.rstrip("/")
    parts = ["" if anchored else "(?:.*/)?"]
    rest = pattern.removeprefix("/")
    tokens = re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", rest.rstrip("/"))
    parts += [_TOKENS.get(token, re.escape(token)) for token in tokens]
    # A folder stands for all that is in it. GitHub's `docs/*` does not go deeper; a name does.
    deeper = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    shallow = pattern.endswith(("/*", "/**"))
    return re.compile("".join(parts) + ("" if shallow else deeper), re.DOTALL)


_TOKENS = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
