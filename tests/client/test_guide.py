"""The guide of the client does what it says."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from client.through import ThroughService
from offerlab.client.http import Client
from offerlab.domain.clock import DAY, MINUTE
from support.service import ADMIN, Service

GUIDE = Path(__file__).parents[2] / "docs" / "client.md"
BLOCKS = re.findall(r"```python run\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_guide_runs(tmp_path: Path) -> None:
    """Every block marked `run` runs against the service, and its events are stored."""
    service = Service(f"sqlite:///{tmp_path}/offerlab.db")
    try:
        now = time.time_ns() // 1000
        service.time = now - DAY
        service.coffee_shop()
        service.time = now + MINUTE
        with Client("http://shop", ADMIN, timeout=60, transport=ThroughService(service)) as client:
            names: dict[str, Any] = {"client": client, "now": service.at()}
            for block in BLOCKS:
                exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102 - the guide's own examples
            assert names["variant"] in {"control", "capsules-20"}
            assert names["sure"] == ["coffee-addon"]
            assert [one.exposed for one in client.decide("c-42", expose=True).decisions] == [True]
    finally:
        service.close()


@pytest.mark.parametrize("word", ["timeout", "expose", "settled", "newer", "decide_many", "fallback"])
def test_the_guide_speaks_of(word: str) -> None:
    """What a caller chooses between is named."""
    assert word in GUIDE.read_text(encoding="utf-8")
