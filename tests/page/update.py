"""`python -m tests.page.update`: take the pictures in docs/report anew."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.page.chromium import opened_page
from tests.page.pictures import PLACE, pictures_of


def main() -> None:
    """Write them over those that are there."""
    PLACE.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, opened_page() as page:
        for name, picture in pictures_of(page, Path(folder)).items():
            (PLACE / name).write_bytes(picture)


if __name__ == "__main__":
    main()
