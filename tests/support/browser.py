"""Headless Chromium for the tests, driven by Playwright without a download of its own."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from support.find import find_chromium

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def running_browser() -> Generator[Browser]:
    """Start Chromium, give Playwright's handle of it, and end it.

    Raises:
        RuntimeError: no Chromium on this machine; the message says what to do.
    """
    found = find_chromium()
    if found is None:
        raise RuntimeError("no Chromium found; `make test` fetches one")
    environment: dict[str, str | float | bool] = {**os.environ, **found.environment}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.executable, args=list(FLAGS), env=environment)
        try:
            yield browser
        finally:
            browser.close()
