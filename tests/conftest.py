"""Fixtures that every room shares: databases, a browser, fonts.

A test that wants both databases asks for `database_url` (one database per test module) or `fresh_database_url` (one per
test); its PostgreSQL half carries the mark `postgres`, so that `make check` runs the SQLite half alone.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, BrowserContext, Page

from support.browser import new_context, running_browser
from support.find import find_korean_font
from support.luck import LUCK
from support.postgres import Cluster, running_cluster

BOTH = [pytest.param("sqlite", id="sqlite"), pytest.param("postgres", id="postgres", marks=pytest.mark.postgres)]

# `make check` asks for the quick profile. A landing must not hang on luck: examples and salts are the same every time,
# unless somebody asks for new ones (`make luck`).
CALM = [HealthCheck.too_slow]  # the machine may be busy with something else
settings.register_profile("house", deadline=None, derandomize=not LUCK, print_blob=True, suppress_health_check=CALM)
settings.register_profile("quick", settings.get_profile("house"), max_examples=25)
settings.load_profile(os.environ.get("OFFERLAB_EXAMPLES", "house"))


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for this session (each xdist worker has its own)."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def new_postgres_database(postgres_cluster: Cluster) -> Callable[[], str]:
    """Creates a PostgreSQL database at our schema, without a row, at every call and gives its SQLAlchemy URL."""
    return postgres_cluster.create_database


@pytest.fixture(scope="module")
def postgres_url(new_postgres_database: Callable[[], str]) -> str:
    """A PostgreSQL database without a row for this test module; mark the test `postgres`."""
    return new_postgres_database()


def _new_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """A database without a row of the kind that the parameter names; an embedded store's file is yet to be made."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'offerlab.sqlite'}"
    create: Callable[[], str] = request.getfixturevalue("new_postgres_database")
    return create()


@pytest.fixture(scope="module", params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database without a row for this test module, once on SQLite and once on PostgreSQL."""
    return _new_database(request, tmp_path_factory.mktemp("database"))


@pytest.fixture(params=BOTH)
def fresh_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a row for this test alone, once on SQLite and once on PostgreSQL."""
    return _new_database(request, tmp_path)


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without even a schema for this test alone, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return _new_database(request, tmp_path)
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    return cluster.create_empty()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; mark the test `browser`.

    For one module only: while Playwright is up its event loop runs in this thread, and no test may run another.
    """
    with running_browser() as started:
        yield started


@pytest.fixture
def browser_context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own: no cookies, 1280 x 800."""
    context = new_context(browser, viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """An empty page in a fresh profile."""
    return browser_context.new_page()


@pytest.fixture(scope="session")
def korean_font_folder() -> Path:
    """The folder of a font with Hangul, for whoever draws text on the server."""
    folder = find_korean_font()
    if folder is None:
        pytest.fail("no Korean font found; `make test` fetches one")
    return folder
