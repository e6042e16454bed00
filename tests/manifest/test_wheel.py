import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.schema import SCHEMAS

ROOT = Path(__file__).parents[2]
FOLDERS = ("reconciler", "schemas", "triggers")
FILES = ("pyproject.toml", "README.md", "LICENSE", "reconciler.yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what it is made of."""
    copy = tmp_path_factory.mktemp("project")
    for folder in FOLDERS:
        shutil.copytree(
            ROOT / folder,
            copy / folder,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(copy / "dist")]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=250)
    (built,) = (copy / "dist").glob("*.whl")
    return built


def test_the_wheel_ships_the_schemas_of_the_repository_byte_for_byte(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in SCHEMAS:
            file = f"schemas/{name}.schema.json"
            assert archive.read(f"reconciler/{file}") == (ROOT / file).read_bytes()


def test_the_wheel_is_named_as_pypi_knows_it_and_its_command_as_users_do(wheel: Path) -> None:
    assert wheel.name == f"enos_reconciler-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        folder = f"enos_reconciler-{__version__}.dist-info"
        commands = archive.read(f"{folder}/entry_points.txt").decode()
    assert "reconciler = reconciler.__main__:main" in commands


def test_the_program_in_the_wheel_finds_its_schemas(wheel: Path) -> None:
    program = (
        "from reconciler import schema\n"
        "print(schema.__file__)\n"
        "print([len(schema.schema_text(name)) > 0 for name in schema.SCHEMAS])\n"
        "from reconciler.explained import explanations\n"
        "print('explained:', 'in-doubt' in explanations())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(wheel)!r})\n{program}"],
        cwd=wheel.parent,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert str(wheel) in done.stdout
    assert done.stdout.count("True") == len(SCHEMAS) + 1
