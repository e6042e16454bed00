"""Which of several fields a manifest has, so that a problem points at one that exists."""

from reconciler.model import Run


def given_pointer(run: Run, *pointers: str) -> str:
    """The first of the fields that the run's manifest has; the last one if it has none of them.

    Only the fields whose places a run keeps can be found.
    """
    return next((one for one in pointers if run.place_of(one) != run.place), pointers[-1])


def time_pointer(run: Run) -> str:
    """The field that the trigger time of the run comes from."""
    names = ("triggerTime", "businessDate", "businessDates", "triggerTimes")
    return given_pointer(run, *(f"/spec/{name}" for name in names))
