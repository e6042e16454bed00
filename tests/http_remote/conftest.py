from pathlib import Path

import pytest

from tests.http_remote.web_server import lighttpd
from tests.repositories import isolate


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lighttpd()
    isolate(monkeypatch, tmp_path)
