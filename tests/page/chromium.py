"""A real Chromium, driven over a pipe by its own protocol: no driver, no port, no dependency."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 60.0  # an answer may take
# It reads commands from file 3, and writes to file 4.
_LAUNCH = """\
import os, sys
commands, answers = int(sys.argv[1]), int(sys.argv[2])
spare = [os.dup(commands), os.dup(answers)]
while min(spare) < 5:
    spare = [os.dup(one) for one in spare]
os.dup2(spare[0], 3)
os.dup2(spare[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str:
    """The browser's path. Raises AssertionError where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise AssertionError(f"none of {', '.join(NAMES)} is on PATH: `.ci/run` installs one")


@dataclass(slots=True, kw_only=True)
class Page:
    """One tab, and all that it has complained of or asked for."""

    process: "subprocess.Popen[bytes]"
    commands: int
    answers: int
    session: str = ""
    complaints: list[str] = field(default_factory=list)  # of the console, exceptions, violations
    requests: list[str] = field(default_factory=list)  # every URL, the page's own included
    _number: int = 0
    _held: bytes = b""
    _events: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send the command, and give its result. Raises AssertionError for an error."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                found: dict[str, Any] = answer["result"]
                return found

    def until(self, method: str) -> None:
        """Wait for an event."""
        while not any(event["method"] == method for event in self._events):
            self._next()
        self._events.clear()

    def _next(self) -> dict[str, Any]:
        ends = monotonic() + _SECONDS
        while b"\0" not in self._held:
            assert select([self.answers], [], [], max(0, ends - monotonic()))[0], "no answer"
            read = os.read(self.answers, 1 << 20)
            assert read, "the browser has ended"
            self._held += read
        message, _, self._held = self._held.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if "method" in found:
            self._note(found)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        params = event["params"]
        match event["method"]:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.complaints.append(json.dumps(params["args"]))
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])
            case "Audits.issueAdded" if "contentSecurityPolicy" in json.dumps(params):
                self.complaints.append(json.dumps(params["issue"]))
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case _:
                pass

    def open(self, url: str) -> None:
        """Go there, and wait until it has been loaded."""
        self._events.clear()
        self.ask("Page.navigate", url=url)
        self.until("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """What the expression comes to in the page, once it is there where it is a promise."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def settle(self) -> None:
        """Wait until what was asked for has been drawn."""
        frames = "requestAnimationFrame(() => requestAnimationFrame(done))"
        self.value(f"new Promise(done => setTimeout(() => {frames}, 200))")

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be that large, on a light or a dark desktop."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.settle()

    def press(self, key: str) -> None:
        """Press a key: `Enter`, `ArrowDown`, `/`."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "End": 35, "Home": 36}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        texts = {"Enter": "\r", "/": "/"}
        code: Mapping[str, Any] = {"windowsVirtualKeyCode": codes.get(key, 0)}
        text = {"text": texts[key]} if key in texts else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **code, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, **code)
        self.settle()

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])


@contextmanager
def opened_page() -> Iterator[Page]:
    """A tab of a browser of its own, which ends with the block."""
    with TemporaryDirectory(prefix="reconciler-chromium-", ignore_cleanup_errors=True) as profile:
        command_end, commands = os.pipe()
        answers, answer_end = os.pipe()
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _LAUNCH, str(command_end), str(answer_end)),
                *(find_chromium(), "--headless=new", "--remote-debugging-pipe"),
                *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--disable-background-networking", "--disable-extensions"),
                *("--hide-scrollbars", "--force-color-profile=srgb", f"--user-data-dir={profile}"),
            ],
            pass_fds=(command_end, answer_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_end)
        os.close(answer_end)
        page = Page(process=process, commands=commands, answers=answers)
        try:
            target = page.ask("Target.createTarget", url="about:blank")["targetId"]
            attached = page.ask("Target.attachToTarget", targetId=target, flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
                page.ask(f"{domain}.enable")
            yield page
        finally:
            process.kill()
            process.wait()
            os.close(commands)
            os.close(answers)


def file_url(path: Path) -> str:
    """The address of a file on this machine."""
    return path.resolve().as_uri()
