"""The rows and columns of the matrix: what goes wrong, and in which of a gateway's operations."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from reconciler.sandbox import ALWAYS, NEVER, Drop, Fault, Operation, Reply
from reconciler.sandbox.faults import HTML

CLAIM, TIMEOUT, SETTLE = 5.0, 1.0, 0.2  # seconds, of the repositories in which the faults happen
_TOO_LATE = 1.5 * TIMEOUT


class Column(Struct, frozen=True, kw_only=True):
    """An operation, and whether the fault comes before or after what it does."""

    operation: Operation
    carried_out: bool = False

    @property
    def heading(self) -> str:
        """The column's name on the page."""
        return f"`{self.operation}`" + (" carried out" if self.carried_out else "")


REFRESHED = Column(operation="refresh", carried_out=True)
STARTED = Column(operation="trigger", carried_out=True)
COLUMNS = (
    Column(operation="token"),
    Column(operation="refresh"),
    REFRESHED,
    Column(operation="time"),
    Column(operation="timezone"),
    Column(operation="trigger"),
    STARTED,
    Column(operation="search"),
    Column(operation="instance"),
)
_UNLESS_CARRIED_OUT = tuple(column for column in COLUMNS if not column.carried_out)


class Row(Struct, frozen=True, kw_only=True, eq=False):
    """One thing that goes wrong, whichever operation it is that it happens to."""

    name: str  # without a comma: rows with the same cells are joined by one
    fault: Fault  # before the effect; `on`, `flow_id` and `times` are the cell's to fill in
    columns: tuple[Column, ...] = COLUMNS

    def fault_in(self, column: Column) -> Fault:
        """The fault as it happens there."""
        fault = replace(self.fault, on=column.operation)
        if not column.carried_out:
            return fault
        if fault.ending is None:
            return replace(fault, delay_before=0.0, delay_after=fault.delay_before)
        return replace(fault, ending=replace(fault.ending, effect=True))

    def only_in(self, *columns: Column) -> "Row":
        """The same fault, in fewer operations."""
        return Row(name=self.name, fault=self.fault, columns=columns)


class Table(Struct, frozen=True, kw_only=True, eq=False):
    """Rows that belong together, and for how long each fault goes on."""

    title: str
    rows: tuple[Row, ...]
    lasting: bool = False  # until the first command has ended, instead of once
    outside: bool = False  # of the promise: what docs/exactly-once.md assumes not to happen

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those in which any row has a cell."""
        return tuple(one for one in COLUMNS if any(one in row.columns for row in self.rows))


class Cell(Struct, frozen=True, kw_only=True):
    """One fault in one operation."""

    table: Table
    row: Row
    column: Column

    @property
    def fault(self) -> Fault:
        """The rule for the sandbox. It meets the first run, where it can be aimed."""
        fault = self.row.fault_in(self.column)
        if fault.rate_limit is not None:
            return fault
        return replace(
            fault,
            flow_id=1 if self.column.operation == "trigger" else None,
            times=ALWAYS if self.table.lasting else None,
        )


def cells(table: Table) -> list[Cell]:
    """Every cell of the table, those of one column together, in the order of the page."""
    return [
        Cell(table=table, row=row, column=column)
        for column in table.columns
        for row in table.rows
        if column in row.columns
    ]


def _reply(name: str, reply: Reply, columns: tuple[Column, ...] = COLUMNS) -> Row:
    return Row(name=name, fault=Fault(on="any", ending=reply), columns=columns)


def _http(*statuses: int) -> tuple[Row, ...]:
    return tuple(_reply(f"HTTP {status}", Reply(status=status)) for status in statuses)


def _codes(*codes: int) -> tuple[Row, ...]:
    return tuple(_reply(f"code {code}", Reply(code=code)) for code in codes)


def _certain(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Answers that say that nothing was carried out: afterwards they would be lies."""
    return tuple(row.only_in(*_UNLESS_CARRIED_OUT) for row in rows)


def _listed(name: str, seconds: float) -> Row:
    """The answer to a start is lost, and its instance shows up in searches only later."""
    fault = Fault(on="trigger", list_after=seconds, ending=Drop())
    return Row(name=name, fault=fault, columns=(STARTED,))


def _lasting(rows: Iterable[Row]) -> tuple[Row, ...]:
    """One command refreshes its token once, so that nothing lasts there."""
    return tuple(
        row.only_in(*(one for one in row.columns if one.operation != "refresh")) for row in rows
    )


_EMPTY = _reply("empty answer", Reply(body=""))
_WITHOUT_DATA = _reply("code 0 without data", Reply())
_CONNECTION = (
    Row(name="reset", fault=Fault(on="any", ending=Drop())),
    Row(name="too late", fault=Fault(on="any", delay_before=_TOO_LATE)),
)
_REDIRECT = _reply(
    "HTTP 302", Reply(status=302, headers={"Location": "https://login.example.test/"})
)
_UNLIKE_ITS_BODY = (
    _reply("HTTP 502 in HTML", Reply(status=502, body=HTML)),
    _reply("HTTP 500 with code 62103", Reply(status=500, code=62103)),
)
_REFUSALS = (*_http(400, 403, 404, 413), *_codes(62101, 62103, 62104))
_TOKEN_ANSWERS = (*_http(401), *_codes(1001, 1002, 1003, 1004, 1202, 1203, 1204))
_EXPIRED = Row(name="the token expires", fault=Fault(on="any", expire_token=True))
_RATE_LIMITED = (
    *_http(429),
    _reply("HTTP 429 with Retry-After", Reply(status=429, headers={"Retry-After": "1"})),
)
_LIMIT = Row(name="1 request a second", fault=Fault(on="any", rate_limit=1))
_UNCERTAIN_FOR_LONG = (*_CONNECTION, *_http(500), *_codes(62109), _EMPTY, _WITHOUT_DATA)
_REFUSED_FOR_LONG = (*_http(403, 401), *_codes(1203), *_RATE_LIMITED)

TABLES = (
    Table(title="Connection", rows=_CONNECTION),
    Table(
        title="Uncertain HTTP statuses",
        rows=(_REDIRECT, *_http(408, 500, 502, 503), *_UNLIKE_ITS_BODY),
    ),
    Table(title="Uncertain codes", rows=_codes(1005, 62102, 62109, 99999)),
    Table(
        title="Unreadable answers",
        rows=(
            _WITHOUT_DATA,
            _reply("HTML under HTTP 200", Reply(body=HTML)),
            _EMPTY,
            _reply("half an answer", Reply(body='{"code":0,"msg":"OK","data":{"flowInst')),
            _reply("2 MiB of JSON without data", Reply(msg="x" * (2 << 20))),
        ),
    ),
    Table(title="Refusals", rows=_certain(_REFUSALS)),
    Table(title="Token answers", rows=_certain((*_TOKEN_ANSWERS, _EXPIRED))),
    Table(title="Rate limits", rows=_certain((*_RATE_LIMITED, _LIMIT))),
    Table(
        title="Lost answer and late listing",
        rows=(
            _listed("listed after half of settleSeconds", SETTLE / 2),
            # A start leaves some time after its claim; on a busy machine, a second after it.
            _listed("listed shortly before absence is certain", CLAIM - 6 * SETTLE),
        ),
    ),
    Table(title="Lasting uncertainty", lasting=True, rows=_lasting(_UNCERTAIN_FOR_LONG)),
    Table(title="Lasting refusals", lasting=True, rows=_lasting(_certain(_REFUSED_FOR_LONG))),
    Table(
        title="Outside the promise",
        outside=True,
        rows=(
            _listed("listed once absence seemed certain", CLAIM + 10 * SETTLE),
            _listed("never listed", NEVER),
            *(row.only_in(STARTED) for row in (*_http(403, 401, 429), *_codes(62103, 1203))),
        ),
    ),
)
