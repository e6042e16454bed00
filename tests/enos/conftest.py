"""What several tests of the gateway need."""

from pathlib import Path

import pytest

from tests.enos.certified import make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")
