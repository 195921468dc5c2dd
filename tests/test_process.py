"""The service as its own process: how it starts, what it refuses, how it ends."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.process import free_port

PATIENCE_S = 180.0


@contextmanager
def _serving(folder: Path, **environment: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """`offerlab serve` on an embedded store, with the address it was told to listen on; ended afterwards."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OFFERLAB_")}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "offerlab", "serve", "--data-dir", str(folder), "--port", str(port)],
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                process.kill()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not become ready")


def test_a_store_keeps_its_currency_and_another_is_refused_in_words(tmp_path: Path) -> None:
    """A restart without a currency takes the store's own; one with another ends with code 2 and says both."""
    for environment in ({"OFFERLAB_CURRENCY": "KRW"}, {}):
        with _serving(tmp_path, **environment) as (process, url):
            _wait_until_ready(url)
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
    with _serving(tmp_path, OFFERLAB_CURRENCY="EUR") as (process, _):
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "counts in KRW" in said
    assert "EUR" in said
