"""The fixtures themselves: what the other tests stand on."""

from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page
from sqlalchemy import create_engine, text

from support.find import find_node, find_postgres


def test_database_answers(database_url: str) -> None:
    """Each database can be reached through its SQLAlchemy URL."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


@pytest.mark.postgres
def test_databases_are_apart(new_postgres_database: Callable[[], str]) -> None:
    """A table made in one database is not seen in the next."""
    first, second = (create_engine(new_postgres_database()) for _ in range(2))
    with first.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (id integer)"))
    with second.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('only_here')")) is None
    first.dispose()
    second.dispose()


@pytest.mark.postgres
def test_server_is_the_one_found(postgres_url: str) -> None:
    """The server is the program that was found, and speaks UTF-8."""
    binaries = find_postgres()
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert binaries is not None
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)


@pytest.mark.browser
def test_browser_reads_korean(page: Page) -> None:
    """Chromium runs script and reads Korean text back."""
    page.set_content("<p>고객 한 명당 이익</p>")
    assert page.inner_text("p") == "고객 한 명당 이익"
    assert page.evaluate("1 + 1") == 2


@pytest.mark.browser
@pytest.mark.usefixtures("korean_font_folder")
def test_browser_draws_korean(page: Page) -> None:
    """Hangul is drawn with a font that has it: two syllables differ on the picture."""
    pictures: list[bytes] = []
    for syllable in ("한", "글"):
        page.set_content(f"<p style='font: 64px sans-serif'>{syllable}</p>")
        pictures.append(page.screenshot())
    assert pictures[0] != pictures[1]


def test_node_is_here() -> None:
    """Node is on the machine or comes with the type checker's wheel."""
    assert find_node() is not None
