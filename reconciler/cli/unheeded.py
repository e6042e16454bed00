"""The options of `init` that change nothing, because their file exists and is left as it is."""

from collections.abc import Iterator, Mapping

from reconciler.cli.answering import NONE, InitOptions
from reconciler.cli.place import StartingPlace
from reconciler.configuration import CONFIGURATION, Configuration
from reconciler.starting.choices import Beginning, CiKind, Home
from reconciler.starting.repository import GITLAB_CI, GITLAB_INCLUDED, HOOKS, WORKFLOW

_INSTALLING = (WORKFLOW, GITLAB_CI, GITLAB_INCLUDED, HOOKS)


def list_unheeded_options(
    given: InitOptions, place: StartingPlace, beginning: Beginning, kept: Mapping[str, str]
) -> Iterator[str]:
    """A line for each such option: which option, which file, and what to do.

    `kept`: by path, the texts of the files that differ from what `init` would write. An option that
    repeats what its file already says gets no line.
    """
    if place.configuration is not None:
        for option, why in _list_contradictions(given, place, place.configuration):
            yield f"{option} changes nothing: {place.prefix}{CONFIGURATION} is there, and {why}"
    if given.owner is not None:
        if beginning.ci is CiKind.NONE:
            yield "--owner changes nothing: CODEOWNERS is a forge's: say --ci github or gitlab"
        for path, text in kept.items():
            if path.endswith("CODEOWNERS") and given.owner not in text.split():
                yield (
                    f"--owner changes nothing: {path} is there, and does not name {given.owner}; "
                    "name it there"
                )
    if given.source is not None:
        for path, text in kept.items():
            if path in _INSTALLING and not _names(text, beginning.home):
                yield (
                    f"--source changes nothing: {path} is there, and does not name it; put there "
                    f"{_installation_words(path, beginning.home)}"
                )


def _names(text: str, home: Home) -> bool:
    """Whether the text names the repository, as an address or as an action, and the revision."""
    name = "/".join(home.url.removesuffix(".git").split("/")[-2:])
    return home.revision in text and name in text


def _installation_words(path: str, home: Home) -> str:
    if path == HOOKS:
        return f"repo: {home.url}, rev: {home.revision}, with the hook reconciler-validate"
    return f"uses: {home.action}" if path == WORKFLOW and home.action else home.install


def _list_contradictions(
    given: InitOptions, place: StartingPlace, told: Configuration
) -> Iterator[tuple[str, str]]:
    """Each option that the configuration contradicts, with what the configuration says."""
    names = list(told.environments)
    if given.environment is not None and given.environment not in names:
        yield "--env", f"has no environment {given.environment}; add it there"
    elif given.environment is not None:
        names = [given.environment]
    gateways = [told.environments[name].gateway for name in names]
    of_gateway = (
        ("--url", "url", given.url, [one.url for one in gateways]),
        ("--org-id", "orgId", given.org_id, [one.org_id for one in gateways]),
        ("--user-id", "userId", given.user_id, [one.user_id for one in gateways]),
        ("--timezone", "timezone", given.timezone, [one.timezone for one in gateways]),
    )
    for option, key, word, found in of_gateway:
        if word is not None and word not in found:
            where = f"gateway.{key} of {', '.join(names)}"
            yield option, f"says {', '.join(dict.fromkeys(found))} ({where}); change it there"
    ledger = told.git.ledger_branch or NONE
    if given.ledger_branch not in {None, ledger}:
        yield "--ledger-branch", f"says {ledger} (git.ledgerBranch); change it there"
    if given.branch not in {None, place.branch()}:
        says = f"says {told.git.branch}" if told.git.branch else "does not say it"
        yield "--branch", f"{says} (git.branch); change it there"
