"""Headless Chromium for the tests, driven by Playwright without a download of its own."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from support.find import find_chromium

PATIENCE_MS = 120_000
"""How long the browser may take to start, and a page to come, on a busy machine."""

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


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A browser profile of its own: no cookies, and patience."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context


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
        browser = playwright.chromium.launch(
            executable_path=found.executable, args=list(FLAGS), env=environment, timeout=PATIENCE_MS
        )
        try:
            yield browser
        finally:
            browser.close()
