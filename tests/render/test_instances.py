"""Links to instances: made of a template that was reviewed and an id that the service chose."""

import pytest

from reconciler.ledger import RunState
from reconciler.model import InstanceId
from reconciler.render.status_json import statuses_json
from reconciler.render.status_row import instance_url
from reconciler.render.status_text import status_detail_text
from tests.render.values import SHANGHAI, a_row

TEMPLATE = "https://enos.example.test/flows/{flowId}/instances/{flowInstanceId}"


def test_a_link_holds_the_instance_and_its_flow() -> None:
    link = instance_url(TEMPLATE, InstanceId("3377_20240302"), 3377)
    assert link == "https://enos.example.test/flows/3377/instances/3377_20240302"


@pytest.mark.parametrize(
    ("instance", "quoted"),
    [
        ("../../logout?x=1#", "..%2F..%2Flogout%3Fx%3D1%23"),
        ('"><script>', "%22%3E%3Cscript%3E"),
        ("{flowId}", "%7BflowId%7D"),
        ("风", "%E9%A3%8E"),
    ],
)
def test_an_id_of_any_letters_leads_nowhere_else(instance: str, quoted: str) -> None:
    link = instance_url(TEMPLATE, InstanceId(instance), 1)
    assert link == f"https://enos.example.test/flows/1/instances/{quoted}"


@pytest.mark.parametrize(
    ("template", "instance", "flow"),
    [
        (None, "i", 1),
        (TEMPLATE, None, 1),
        (TEMPLATE, "", 1),
        (TEMPLATE, "i", None),
        (TEMPLATE, "..", 1),
        (TEMPLATE, ".", 1),
    ],
)
def test_there_is_no_link_where_something_is_not_known(
    template: str | None, instance: str | None, flow: int | None
) -> None:
    given = None if instance is None else InstanceId(instance)
    assert instance_url(template, given, flow) is None


def test_a_flow_that_is_not_known_matters_only_where_the_link_names_it() -> None:
    assert instance_url("https://e.test/{flowInstanceId}", InstanceId("i"), None) is not None


def test_status_shows_the_link_of_a_run_and_json_has_it() -> None:
    row = a_row("wind", RunState.TRIGGERED, instance="i1", instance_url="https://e.test/i1")
    assert "see it at      https://e.test/i1" in status_detail_text("prod", row, SHANGHAI)
    assert '"instanceUrl": "https://e.test/i1"' in "".join(
        statuses_json([("prod", SHANGHAI, [row])])
    )
