"""The answers that `init` needs: from its options, from a person, and from what is there."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import click
from msgspec import Struct
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.asking import Question, ask_person, missing_answers_error
from reconciler.cli.place import StartingPlace, installed_home, unknown_home
from reconciler.configuration import Configuration
from reconciler.starting.choices import (
    Beginning,
    CiKind,
    GatewayAnswers,
    Home,
    read_home,
    wrong_answers,
)

LEDGER_BRANCH = "reconciler-ledger"
NONE = "none"


class InitOptions(Struct, frozen=True, kw_only=True):
    """What the options of `init` said; None: the option was not given."""

    environment: str | None = None
    url: str | None = None
    org_id: str | None = None
    user_id: str | None = None
    timezone: str | None = None
    ci: str | None = None
    branch: str | None = None
    ledger_branch: str | None = None
    owner: str | None = None
    source: str | None = None


def collect_answers(place: StartingPlace, given: InitOptions, *, asks: bool) -> Beginning:
    """All answers, checked; `asks`: a person can be asked. Raises click.UsageError for a wrong one.

    If there is a configuration already, nobody is asked for what it says.
    """
    environment = given.environment or "prod"
    base = Beginning(
        gateway=None,
        environments=(environment,),
        manifests=("triggers",),
        states=(f"state/{environment}",),
        ci=CiKind(given.ci) if given.ci else place.forge() or CiKind.NONE,
        branch=given.branch or place.branch(),
        names_branch=given.branch is not None,
        ledger_branch=None,
        home=_home(given.source),
        version=__version__,
        owner=given.owner,
        prefix=place.prefix,
    )
    if place.configuration is not None:
        found = _fill_from_configuration(base, place.configuration)
    else:
        gateway = _collect_gateway(base, given, asks=asks)
        ledger = given.ledger_branch or LEDGER_BRANCH
        found = replace(base, gateway=gateway, ledger_branch=None if ledger == NONE else ledger)
        found = _ask_remaining(found, place, given) if asks else found
    _check(found, place)
    return found


def _check(beginning: Beginning, place: StartingPlace) -> None:
    for option, words in wrong_answers(beginning):
        raise click.BadParameter(words, param_hint=option)
    names = {"--branch": beginning.branch, "--ledger-branch": beginning.ledger_branch}
    for option, name in names.items():
        if name and place.git is not None and not place.git.may_be_branch(name):
            raise click.BadParameter(f"git allows no branch {name!r}", param_hint=option)


def _fill_from_configuration(base: Beginning, told: Configuration) -> Beginning:
    environments = told.environments.values()
    return replace(
        base,
        environments=tuple(one.name for one in environments),
        manifests=tuple(dict.fromkeys(one.manifests for one in environments)),
        states=tuple(one.state for one in environments),
        ledger_branch=told.git.ledger_branch,
    )


def _home(source: str | None) -> Home:
    if source is None:
        return installed_home() or unknown_home()
    try:
        return read_home(source, __version__)
    except ValueError as error:
        # The address is not quoted: somebody may have put a password into it.
        raise click.BadParameter(f"the address {error}", param_hint="--source") from None


def _collect_gateway(base: Beginning, given: InitOptions, *, asks: bool) -> GatewayAnswers:
    """The gateway's answers; a person is asked for those that no option gives."""
    told = {
        "--url": given.url,
        "--org-id": given.org_id,
        "--user-id": given.user_id,
        "--timezone": given.timezone,
    }
    open_ = [one for one in _questions(base) if told[one.option] is None]
    if open_ and not asks:
        raise missing_answers_error(open_)
    told |= {one.option: ask_person(one) for one in open_}
    url, org_id, user_id, timezone = (value or "" for value in told.values())
    return GatewayAnswers(
        url=url,
        org_id=org_id,
        user_id=user_id,
        timezone=timezone,
        environment=base.environments[0],
    )


_SAMPLE = GatewayAnswers(url="https://a.test", org_id="o", user_id="u", timezone="GMT")


def _questions(base: Beginning) -> list[Question]:
    def build_check(option: str, field: str) -> Callable[[str], Iterable[str]]:
        return partial(_check_answer, base, option, field)

    return [
        Question(
            option="--url",
            words="Gateway's URL",
            meaning="Where EnOS answers requests: https://apim-…, as the console's help names it.",
            check=build_check("--url", "url"),
        ),
        Question(
            option="--org-id",
            words="Organisation's id",
            meaning="Your organisation (OU) in EnOS; it begins with an o. Ledgers are kept by it.",
            check=build_check("--org-id", "org_id"),
        ),
        Question(
            option="--user-id",
            words="User's id",
            meaning="The EnOS user on whose behalf runs start: owns the flows, or may edit them.",
            check=build_check("--user-id", "user_id"),
        ),
        Question(
            option="--timezone",
            words="EnOS server's time zone",
            meaning="Business dates are meant in it (GMT+8, or an IANA name). An apply checks it.",
            default="GMT+8",
            check=build_check("--timezone", "timezone"),
        ),
    ]


def _check_answer(base: Beginning, option: str, field: str, text: str) -> Iterator[str]:
    gateway = replace(_SAMPLE, **{field: text}, environment=base.environments[0])
    for found, words in wrong_answers(replace(base, gateway=gateway)):
        if found == option:
            yield words


def _ask_remaining(base: Beginning, place: StartingPlace, given: InitOptions) -> Beginning:
    """The answers, after a person was asked for what neither an option nor the clone says."""
    if given.ci is None and place.forge() is None:
        question = Question(
            option="--ci",
            words="Pipeline for github, gitlab or none",
            meaning="Which forge runs the pipeline; the remote's address does not say.",
            default="github",
            check=lambda text: [] if text in set(CiKind) else ["github, gitlab or none"],
        )
        base = replace(base, ci=CiKind(ask_person(question)))
    if given.ledger_branch is None:
        question = Question(
            option="--ledger-branch",
            words="Branch for the record of what was started",
            meaning=f"On one of its own, {base.branch} may be protected (none: on {base.branch}).",
            default=LEDGER_BRANCH,
        )
        ledger = ask_person(question)
        base = replace(base, ledger_branch=None if ledger == NONE else ledger)
    if given.owner is None and base.ci is not CiKind.NONE:
        question = Question(
            option="--owner",
            words="Reviewers, such as @acme/data (none: later)",
            meaning="Who must review a change of the configuration, for CODEOWNERS.",
            default=NONE,
        )
        owner = ask_person(question)
        base = replace(base, owner=None if owner == NONE else owner)
    if not base.home.is_known:
        question = Question(
            option="--source",
            words="Repository of the reconciler",
            meaning="Where pipelines install it from: https://HOST/OWNER/NAME[@COMMIT].",
            default=base.home.url,
            check=_check_source,
        )
        base = replace(base, home=_home(ask_person(question)))
    return base


def _check_source(text: str) -> Iterator[str]:
    try:
        read_home(text, __version__)
    except ValueError as error:
        yield f"the address {error}"
