"""`python -m tests.page.update`: take the pictures in docs/report and docs/pictures anew."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.page import forge
from tests.page.chromium import opened_page
from tests.page.pictures import PLACE, pictures_of


def main() -> None:
    """Write them over those that are there."""
    with TemporaryDirectory() as folder, opened_page() as page:
        taken = {
            PLACE: pictures_of(page, Path(folder)),
            forge.PLACE: forge.pictures_of(page, Path(folder)),
        }
    for place, pictures in taken.items():
        place.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            (place / name).write_bytes(picture)


if __name__ == "__main__":
    main()
