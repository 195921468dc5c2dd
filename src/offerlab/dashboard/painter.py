"""Draws pictures in a process of its own, which `studio` starts by this file's path.

The drawing library holds Python's lock while it works, up to seconds at its first picture; in the server's process no
decision would be answered meanwhile. One line of JSON in, one line of JSON out; the end of input ends the process, so
that it cannot outlive the server. It imports nothing of the service.
"""

import json
import sys
from typing import Any


def draw(request: dict[str, Any]) -> dict[str, str]:
    """Answer one request: an SVG for a `spec`, the script bundle for `bundle`."""
    import vl_convert  # noqa: PLC0415 - loaded by the first request, not by whoever imports this module

    try:
        if "bundle" in request:
            return {"text": vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")}
        return {"text": vl_convert.vegalite_to_svg(request["spec"], allowed_base_urls=[])}
    except ValueError as error:
        return {"error": str(error)[:1000]}


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin.buffer:
        answer = json.dumps(draw(json.loads(line))).encode() + b"\n"
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
