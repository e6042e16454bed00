"""How files are called, and in which order they are read, changes no plan and no message."""

import re
from collections.abc import Sequence
from datetime import UTC
from itertools import starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.manifest import combine, read_file
from reconciler.model import Declared, EpochMs, Source
from reconciler.plan import Plan, make_plan
from tests.building import NOW, a_claim, a_ledger, a_run, a_triggered, after, calls
from tests.sampling import examples

LATER = after(NOW, 3_600_000)
PLACE = re.compile(r"t/\w+\.yaml:\d+:\d+")
NAMES = ("a", "b", "c", "d")
TIMES = ("2024-03-01T08:00:00Z", "2024-03-01T08:00:30Z", "2024-03-01T09:00:00Z")

MATCHES = ("[{name: a, match: [businessDate]}]", "[{name: c, match: [M]}]")

HEAD = "apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  flowId: 1\n"


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """One that often has a name, a minute, or all that it carries in common with another."""
    name = draw(st.sampled_from(NAMES))
    more = "".join(
        f"  {field}: {draw(st.sampled_from(values))}\n"
        for field, values in {
            "parameters": ("{}", "{SITE: x}"),
            "revision": (1, 2),
            "dependsOn": (["a"], ["b"], ["c", "d"], ["d/2024-03-01"], *MATCHES),
            "duplicateOf": NAMES,
            "retry": ("{max: 1}", "{max: 1, on: [FAIL, TIMEOUT]}"),
        }.items()
        if field == "parameters" or draw(st.integers(0, 3)) == 0
    )
    if draw(st.booleans()):
        time = draw(st.sampled_from(TIMES))
        return HEAD.format(kind="Trigger", name=name) + f'  triggerTime: "{time}"\n' + more
    matrix = draw(
        st.sampled_from(["", "  matrix: {M: [x, y]}\n  stagger: 1m\n", "  stagger: 5m\n"])
    )
    for field, value in {
        "sequential": "true",
        "maxActive": 2,
        "stopAfter": "{failures: 1}",
    }.items():
        more += f"  {field}: {value}\n" if draw(st.booleans()) else ""
    dates = "  businessDates: {from: 2024-02-29, to: 2024-03-02, every: 1d}\n  at: '08:00'\n"
    return HEAD.format(kind="Backfill", name=name) + dates + more + matrix


def read(files: Sequence[tuple[str, str]]) -> Declared:
    sources = (Source(path=f"t/{name}.yaml", content=text.encode()) for name, text in files)
    found = [read_file(source, UTC) for source in sorted(sources, key=lambda one: one.path)]
    return combine(found)


def a_plan(files: Sequence[tuple[str, str]], ledger: Ledger, others: Declared) -> Plan:
    return make_plan(
        read(files),
        ledger,
        LATER,
        environment="prod",
        commit=None,
        same_minute_allowed=False,
        surroundings=Surroundings(declared={"other": others.runs}),
        max_active_per_flow=3,
    )


def without_places(plan: Plan) -> tuple[object, ...]:
    """The plan, and the words of its problems, but for the names of files."""
    runs = [(one.id, one.action, one.reason, one.trigger_time, one.digest) for one in plan.runs]
    words = (f"{one.code} {one.pointer} {one.message}" for one in plan.problems)
    return runs, sorted(PLACE.sub("PLACE", one) for one in words), plan.digest


@examples(200)
@given(st.data())
def test_a_plan_never_depends_on_the_names_of_files(data: st.DataObject) -> None:
    texts = data.draw(st.lists(manifests(), min_size=2, max_size=6))
    others = data.draw(st.lists(manifests(), max_size=2, unique_by=lambda text: text[:70]))
    recorded = a_run("a", flow_id=1, trigger_time=EpochMs(1_709_280_000_000), parameters=())
    ledger = a_ledger()
    if data.draw(st.booleans()):
        ledger = a_ledger(a_claim(recorded), a_triggered(recorded))
    names = [f"f{number}" for number in range(len(texts))]
    plans = [
        a_plan(list(zip(order, texts, strict=True)), ledger, read(list(zip(other, others))))  # noqa: B905 - fewer are declared elsewhere
        for order, other in (
            (names, names),
            (data.draw(st.permutations(names)), data.draw(st.permutations(names))),
        )
    ]
    assert without_places(plans[0]) == without_places(plans[1])


def a_link(number: int, length: int) -> tuple[str, str]:
    needed = f"  dependsOn: [m-{number + 1}]\n" if number + 1 < length else ""
    head = HEAD.format(kind="Trigger", name=f"m-{number}")
    # Names of files that neither go with the chain nor against it.
    name = f"f{number * 7919 % length:05}"
    return name, f"{head}  triggerTime: {number * 60_000}\n  parameters: {{}}\n{needed}"


@pytest.mark.long  # what a long chain costs
def test_a_chain_over_a_thousand_files_costs_what_its_links_cost() -> None:
    nothing, other = a_ledger(), read([])

    def cost(length: int) -> int:
        files = list(starmap(a_link, ((number, length) for number in range(length))))
        return calls(lambda: a_plan(files, nothing, other))

    assert cost(1_000) < 2.5 * cost(500)
