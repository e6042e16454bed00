"""What was started is known by the run and its service, not by the environment's name.

The *service* is where a run is started. Two environments may name the same service in different
ways. So every ledger of a repository counts for every environment whose service may be the same:
an environment that was renamed, split or copied starts nothing again. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.counting import format_count
from reconciler.ledger import Ledger
from reconciler.ledger.events import Service
from reconciler.ledger.files import ACTIVE, ledger_text
from reconciler.model import Place, Problem, Run


def service_of(gateway: GatewayConfiguration) -> Service:
    """The service behind a gateway, in the form that claims record."""
    parts = urlsplit(gateway.url)
    port = {"https": 443, "http": 80}.get(parts.scheme.lower())
    host = (parts.hostname or "").lower()
    address = host if parts.port in {None, port} else f"{host}:{parts.port}"
    url = f"{parts.scheme.lower()}://{address}{parts.path.rstrip('/')}"
    return Service(
        org_id=gateway.org_id, gateway=url, user_id=gateway.user_id, name=gateway.service
    )


def may_be_one(one: Service, other: Service) -> bool:
    """Whether a run that was started at one service may have been started at the other.

    Two services of one organisation are different only if both have names, and their names and
    addresses differ. For example, a run that was started before the gateway got a name was started
    at some service of the organisation, perhaps the one that has the name now. And an address
    stays the same service when it gets a name, or another name.
    """
    if service_name(one) == service_name(other):
        return True
    named = one.name is not None and other.name is not None
    return one.org_id == other.org_id and (not named or one.gateway == other.gateway)


def goes_on(before: Service, now: Service) -> bool:
    """Whether a ledger that records starts at the service `before` may go on at `now`."""
    if before.org_id != now.org_id:
        return False
    return before.gateway == now.gateway or before.name == now.name


def service_name(service: Service) -> str:
    """What people call the service."""
    return service.name or service.org_id


class Listed(Struct, frozen=True, kw_only=True):
    """Where a configuration lists a folder under `retired`."""

    pointer: str
    place: Place


class Book(Struct, frozen=True, kw_only=True):
    """One ledger of the repository, in any folder."""

    folder: str  # relative to the repository's root; of a trace: what it is called
    ledger: Ledger
    files: Mapping[str, bytes]  # the files that it was read from, by name
    environment: str | None = None  # the one that names the folder; None: retired, or none does
    configured: Service | None = None  # the service of that environment
    retired: Listed | None = None  # if so, it is read, and nobody settles its runs in doubt
    named: bool = True  # by an environment, or under `retired`; False: nobody reads it any more

    @property
    def shown(self) -> str:
        """The folder, in words for one that has no name."""
        return self.folder or "the top folder"

    @property
    def text(self) -> bytes:
        """All lines of the ledger. Ledger A continues ledger B if A's text begins with B's."""
        return ledger_text(self.files, self.folder)

    @property
    def services(self) -> Sequence[Service]:
        """The services that the ledger's claims name, or else the environment's; may be empty."""
        return services_of(self.ledger) or ([self.configured] if self.configured else [])

    def concerns(self, service: Service) -> bool:
        """Whether the ledger's runs may have been started at that service."""
        services = self.services
        return not services or any(may_be_one(one, service) for one in services)


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the rest of the repository says about one environment."""

    problems: tuple[Problem, ...] = ()
    elsewhere: Mapping[str, Ledger] = field(default_factory=dict)  # of the service, by folder
    declared: Mapping[str, Sequence[Run]] = field(default_factory=dict)  # by other environment
    retired: frozenset[str] = frozenset()  # folders of `elsewhere` that no environment continues

    def with_problems(self, more: Sequence[Problem]) -> "Surroundings":
        """A copy with these problems added."""
        return replace(self, problems=(*self.problems, *more)) if more else self


NOTHING_ELSE = Surroundings()


def services_of(ledger: Ledger) -> list[Service]:
    """The services that the ledger's claims name, each once."""
    made = (claim.service for claim in ledger.claims.values())
    return list(dict.fromkeys(one for one in made if one is not None))


def surroundings(
    environment: Environment,
    books: Iterable[Book],
    declared: Mapping[str, Sequence[Run]],
    *,
    own: str,
) -> Surroundings:
    """What the other ledgers mean for the environment whose ledger lies in the folder `own`.

    `declared`: the runs of the other environments of the same service.
    """
    service = service_of(environment.gateway)
    books = list(books)
    found = [book for book in books if book.folder == own or book.concerns(service)]
    problems = [_rehomed_problem(environment, book) for book in found if book.folder == own]
    problems += map(_orphaned_problem, _orphans(books))
    problems += [_unsettled_problem(book, listed) for book, listed in _unsettled_books(books)]
    return Surroundings(
        problems=tuple(problem for problem in problems if problem is not None),
        elsewhere={book.shown: book.ledger for book in found if book.folder != own},
        declared=declared,
        retired=frozenset(
            book.shown for book in found if book.retired and not _is_continued(book, books)
        ),
    )


def _is_continued(book: Book, books: Iterable[Book]) -> bool:
    """Whether an environment continues the book's ledger in another folder."""
    text = book.text
    return any(one.environment is not None and one.text.startswith(text) for one in books)


def _orphans(books: Sequence[Book]) -> list[Book]:
    """Ledgers that nobody reads and that no other continues, whatever service they were made for.

    The service is not compared: somebody may have changed `orgId` together with the folder.
    """
    unread = [book for book in books if not book.named]
    named = [book.text for book in books if book.named] if unread else []
    texts = [(book, book.text) for book in unread]
    return [book for book, text in texts if not any(one.startswith(text) for one in named)]


def _unsettled_books(books: Sequence[Book]) -> list[tuple[Book, Listed]]:
    """Retired ledgers with runs in doubt that no environment goes on with."""
    open_ = [(book, book.retired) for book in books if book.retired and book.ledger.unsettled]
    return [(book, listed) for book, listed in open_ if not _is_continued(book, books)]


def _rehomed_problem(environment: Environment, book: Book) -> Problem | None:
    now = service_of(environment.gateway)
    other = [one for one in services_of(book.ledger) if not goes_on(one, now)]
    if not other:
        return None
    before = sorted({_distinct_name(one, now) for one in other})
    pointer = environment.organisation_pointer
    return Problem(
        place=environment.place_of(pointer),
        code="rehomed",
        pointer=pointer,
        message=f"environment {environment.name} is of {_distinct_name(now, other[0])}, and its "
        f"ledger in {book.folder} records what was started at {', '.join(before)}: put "
        "`orgId`, `url` or `service` back, or give the environment a `state` folder of its own and "
        "list the old one under `retired`",
    )


def _distinct_name(one: Service, other: Service) -> str:
    """The service's name; where the other service has the same name, its address as well."""
    if service_name(one) != service_name(other):
        return service_name(one)
    return f"{service_name(one)} ({one.org_id} at {one.gateway})"


def _unsettled_problem(book: Book, listed: Listed) -> Problem:
    runs = book.ledger.unsettled
    return Problem(
        place=listed.place,
        code="unsettled",
        pointer=listed.pointer,
        message=f"{book.folder} is retired and holds {format_count(len(runs), 'run')} "
        f"in doubt ({runs[0].run}), which may have been started "
        "and which nobody looks for: name it as an environment's `state`, apply once, then retire "
        "it",
    )


def _orphaned_problem(book: Book) -> Problem:
    also = ", or list it under `retired` in reconciler.yaml" if book.folder else ""
    return Problem(
        place=Place(file=book.folder or ACTIVE),
        code="orphaned",
        message=f"{book.shown} holds a ledger that no environment names: what it records could "
        "start again. Move it to the environment that goes on with it (`git mv "
        f"{book.folder or 'ledger*.jsonl'} STATE_FOLDER`){also}",
    )
