from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.git import Git
from tests import repositories


@pytest.fixture(autouse=True)
def git_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """Isolation for every test in this folder, and the calls of git that the test makes."""
    return repositories.isolate(monkeypatch, tmp_path)


@pytest.fixture
def origin_and_clone(tmp_path: Path) -> tuple[Path, Path]:
    return repositories.make_origin_and_clone(tmp_path)


@pytest.fixture
def origin(origin_and_clone: tuple[Path, Path]) -> Path:
    return origin_and_clone[0]


@pytest.fixture
def clone(origin_and_clone: tuple[Path, Path]) -> Path:
    return origin_and_clone[1]


@pytest.fixture
def repository(clone: Path) -> Git:
    return Git.at(clone)


@pytest.fixture
def signing_program(tmp_path: Path) -> Path:
    """In place of ssh-keygen, which is not everywhere: it signs the file that git names last."""
    script = tmp_path / "sign"
    script.write_text(
        """\
#!/bin/sh
for file; do :; done
printf '%s\\n' '-----BEGIN SSH SIGNATURE-----' '-----END SSH SIGNATURE-----' >"$file.sig"
"""
    )
    script.chmod(0o755)
    return script
