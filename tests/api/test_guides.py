"""The guides say only what works: every request in them is sent, in their order."""

import json
import re
from pathlib import Path

from support.service import Service

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?P<body>.*?)```", re.DOTALL)


def test_every_request_of_the_guides_works(service: Service) -> None:
    """Marketers' requests up to the start, all of the storefronts', then the rest: all are answered with 2xx."""
    marketers = BLOCK.findall((DOCS / "marketers.md").read_text(encoding="utf-8"))
    storefronts = BLOCK.findall((DOCS / "storefronts.md").read_text(encoding="utf-8"))
    started = next(i for i, (_, path, _) in enumerate(marketers) if path.endswith("/start")) + 1
    sent = [*marketers[:started], *storefronts, *marketers[started:]]
    assert len(sent) >= 12
    for method, path, body in sent:
        response = service.call(method, path, json.loads(body) if body.strip() else None)
        assert response.status_code in (200, 201), (method, path, response.text)
        if path == "/v1/events":
            assert response.json()["rejected"] == [], response.text
