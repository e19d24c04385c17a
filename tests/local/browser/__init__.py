"""A headless Chromium that npm brings, without root and without packages of the system."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
_UNPACK = 'import("@sparticuz/chromium").then(async (found) => console.log(await found.default.executablePath()))'
_SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@contextmanager
def headless(names: tuple[str, ...]) -> Iterator[Browser]:
    """`names` lead to this machine; others than these and its own lead nowhere."""
    rules = [f"MAP {name} 127.0.0.1" for name in names]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]
    with tempfile.TemporaryDirectory(prefix="browser-") as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_unpacked(directory),
            args=[*_SWITCHES, f"--host-resolver-rules={','.join(rules)}"],
            env={**os.environ, "HOME": directory, "LD_LIBRARY_PATH": f"{directory}/al2023/lib"},
        )
        yield browser
        browser.close()


def _unpacked(directory: str) -> str:
    """With the libraries that a bare machine lacks."""
    node = Path(sys.executable).with_name("node")
    environment = {**os.environ, "TMPDIR": directory, "AWS_LAMBDA_JS_RUNTIME": "nodejs24.x"}
    done = subprocess.run([node, "-e", _UNPACK], cwd=HERE, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()
