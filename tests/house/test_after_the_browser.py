"""What a browser leaves behind for the tests after it in the same process."""

import asyncio

import pytest

from support.browser import running_browser


@pytest.mark.browser
def test_an_event_loop_runs_once_the_browser_is_gone() -> None:
    """Playwright's loop ends with the browser: the next test may run its own."""
    with running_browser() as browser:
        assert browser.is_connected()
    asyncio.run(asyncio.sleep(0))


@pytest.mark.browser
def test_the_browser_lives_for_one_module(request: pytest.FixtureRequest) -> None:
    """The fixture ends with its module, before another module's event loop starts."""
    definitions = request.session._fixturemanager.getfixturedefs("browser", request.node)
    assert [definition.scope for definition in definitions or ()] == ["module"]
