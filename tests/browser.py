"""A browser without a screen, driven over a pipe: it opens pages, clicks, types, and keeps what the
console and the security policy had to say."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from harness import DEADLINE_S, eventually
from require import require_chromium

# The browser's protocol on descriptors 3 and 4, each message ended by a NUL byte.
PLUMBING = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@" --remote-debugging-pipe'


class Refused(AssertionError):
    """The browser does not do what it is asked: perhaps the page is changing just now."""


class Browser:
    """One page: with Browser(scratch) as page: page.open(url)."""

    def __init__(self, scratch: Path, width: int = 1200, height: int = 700) -> None:
        command = [
            require_chromium(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--no-proxy-server"),
            f"--window-size={width},{height}",
            f"--user-data-dir={scratch / 'browser'}",
        ]
        hears, self._to = os.pipe()
        self._from, says = os.pipe()
        with (scratch / "browser.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", PLUMBING, "browser", str(hears), str(says), *command],
                pass_fds=(hears, says),
                stdout=log,
                stderr=log,
            )
        os.close(hears)
        os.close(says)
        self._buffer = b""
        self._asked = 0
        self._session = ""
        self.complaints: list[str] = []
        """Errors and warnings of the console, and what the policy of a page refused."""
        found = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in found if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        message: dict[str, Any] = {"id": self._asked, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._asked:
                if "error" in answer:
                    raise Refused(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE_S
        while b"\0" not in self._buffer:
            assert select.select([self._from], [], [], max(0.0, end - time.monotonic()))[0], (
                "the browser says nothing"
            )
            got = os.read(self._from, 1 << 20)
            assert got, "the browser has ended"
            self._buffer += got
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        self._listen(message)
        return message

    def _listen(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Log.entryAdded":
            entry = params["entry"]
            self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
        elif message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(params["args"]))

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, json.dumps(found["exceptionDetails"])
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits for an expression to be true of the page."""

        def look() -> Any:
            try:
                return self.ask(f"document.body !== null && Boolean({expression})")
            except Refused:
                return None

        try:
            eventually(look, f"the page: {expression}")
        except AssertionError as error:
            shows = self.ask("`${location}: ${document.body?.innerText.slice(0, 500)}`")
            raise AssertionError(f"{error}; {shows}; {self.complaints}") from None

    def click(self, selector: str) -> None:
        """In the middle of an element, once it is where it stays: a page whose style has not come
        yet moves, and what is clicked before its first picture is dropped."""
        self.until("document.readyState === 'complete'")
        self.ask("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(() => f())))")
        at = self.ask(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.left + r.width / 2, r.top + r.height / 2]; }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        self.click_at(*at)

    def click_at(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def key(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def look(self, dark: bool = False, width: int = 1200, height: int = 700) -> None:
        """As a reader of a dark desktop or a narrow screen has it."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
