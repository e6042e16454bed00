"""A tripwire: what the server has to complain about is a defect of the sandbox."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _nothing_went_wrong_in_the_server(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    complaints = [one for one in caplog.get_records("call") if one.name.startswith("uvicorn")]
    assert not complaints, caplog.text
