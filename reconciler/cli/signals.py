"""What SIGINT, SIGTERM and SIGHUP do to a command, from its first moment to its last.

All three are one thing: they end the command as Ctrl-C does. Only the protocol of an apply has an
answer of its own (`reconciler.cli.applying`). Once the protocol is over, everything that was done
is recorded, and a signal must not take the report away. So it breaks off only what is left to do.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOMENT = 0.001  # seconds


def hold() -> None:
    """Let signals wait, as long as nothing could answer them but with a traceback."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def release() -> None:
    """Let signals come. Raises KeyboardInterrupt at once where one has waited."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def end_with(code: int) -> None:
    """From now on, a signal ends the process with this code: all output has been written."""
    for number, answer in _answers().items():
        if answer != signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(code))


def heed() -> None:
    """Have SIGTERM and SIGHUP do what SIGINT does at that moment; `nohup` keeps its meaning."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Asyncio and uvicorn answer SIGINT in their own ways, and end in good order by that."""
    answer = signal.getsignal(signal.SIGINT)
    if not callable(answer):  # SIGINT is ignored, as a shell has it for what runs behind it
        raise KeyboardInterrupt
    answer(signal.SIGINT, frame)


def regain() -> None:
    """Have a signal come again a moment later where Python drops what it raises.

    Nothing can be raised from what Python calls in passing, such as a weak reference's callback: it
    would print a traceback and go on. Imports have such callbacks.
    """
    signal.signal(signal.SIGALRM, _signal_again)
    sys.unraisablehook = _answer_unraisable


def _answer_unraisable(dropped: "sys.UnraisableHookArgs") -> None:
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        # Not at once: this, too, is called in passing.
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        sys.__unraisablehook__(dropped)


def _signal_again(*_: object) -> None:
    """Send the process a signal that has an answer of its own at that moment."""
    for number in SIGNALS:
        if callable(signal.getsignal(number)):
            signal.raise_signal(number)
            return


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a KeyboardInterrupt, or another error by which Python stands in for one.

    Python 3.11 raises a RuntimeError where `__set_name__` is interrupted, as a class is made.
    What goes wrong *after* an interrupt is no such error.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause is not None


@contextmanager
def restore_signals() -> Iterator[None]:
    """Answer signals after the block as before it."""
    before = _answers()
    try:
        yield
    finally:
        for number, answer in before.items():
            if signal.getsignal(number) is not answer:
                signal.signal(number, answer)


class Remainder:
    """What an apply has left to do once it has recorded everything, before its report.

    A signal breaks off the step that it meets, and no other step is taken. Between the steps and
    while the report is printed, one signal only says that no other step is taken. A second one ends
    the command, as nothing else could where nobody reads the output.
    """

    def __init__(self) -> None:
        self.is_broken_off = False
        self._noted = False
        self._usual = {
            number: answer for number, answer in _answers().items() if answer != signal.SIG_IGN
        }

    def begin(self) -> None:
        """Answer signals in this way from now on."""
        for number in self._usual:
            signal.signal(number, self._note)

    def take(self, step: Callable[[], object]) -> None:
        """Take a step, unless a signal came before it, and until one comes."""
        if self.is_broken_off:
            return
        try:
            for number, answer in self._usual.items():
                signal.signal(number, answer)
            step()
            self.begin()
        except KeyboardInterrupt:
            self.is_broken_off = True
        finally:
            self.begin()

    def _note(self, *_: object) -> None:
        if self._noted:
            raise KeyboardInterrupt
        self._noted = self.is_broken_off = True


def _answers() -> dict[signal.Signals, "signal._HANDLER"]:
    return {number: signal.getsignal(number) for number in SIGNALS}
