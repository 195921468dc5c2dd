"""Pictures kept by what they show, drawn by one `painter` process that starts with the first and ends when idle."""

import gzip
import hashlib
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec

from offerlab.errors import Unavailable

KEPT: Final = 256
IDLE_S: Final = 120.0
_PAINTER: Final = Path(__file__).with_name("painter.py")


class Studio:
    """Draws and remembers; shared by threads, one picture at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._bundle: bytes | None = None
        self._painter: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._drawing = threading.Lock()

    def svg(self, spec: dict[str, Any]) -> bytes:
        """The picture of a Vega-Lite specification.

        Raises:
            Unavailable: it could not be drawn.
        """
        request = msgspec.json.encode({"spec": spec})
        name = hashlib.sha256(request).digest()
        with self._drawing:
            known = self._kept.get(name)
            if known is None:
                known = self._ask(request)
                self._kept[name] = known
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return known

    def packed_bundle(self) -> bytes:
        """The script that draws the same pictures in the browser, gzip-compressed.

        Raises:
            Unavailable: it could not be made.
        """
        with self._drawing:
            if self._bundle is None:
                self._bundle = gzip.compress(self._ask(b'{"bundle":true}'), mtime=0)
            return self._bundle

    def close(self) -> None:
        """End the painter."""
        with self._drawing:
            self._end()

    def _ask(self, request: bytes) -> bytes:
        painter = self._running()
        if painter.stdin is None or painter.stdout is None:
            raise AssertionError("the painter was started with pipes")
        try:
            painter.stdin.write(request + b"\n")
            painter.stdin.flush()
            line = painter.stdout.readline()
        except OSError as error:
            self._end()
            raise Unavailable("the picture could not be drawn") from error
        if not line:
            self._end()
            raise Unavailable("the picture could not be drawn")
        self._rest()
        answer: dict[str, str] = msgspec.json.decode(line)
        if "error" in answer:
            raise Unavailable(f"the picture could not be drawn: {answer['error']}")
        return answer["text"].encode()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._painter is None or self._painter.poll() is not None:
            self._painter = subprocess.Popen(  # noqa: S603 - our own interpreter on our own file
                [sys.executable, "-I", str(_PAINTER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        return self._painter

    def _rest(self) -> None:
        """Let the painter go when nobody asks for a while: it holds some 150 MB."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_S, self.close)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        painter, self._painter = self._painter, None
        if painter is not None:
            if painter.stdin is not None:
                painter.stdin.close()
            painter.terminate()
            painter.wait()
            if painter.stdout is not None:
                painter.stdout.close()


def studio_of(state: Any) -> Studio:  # noqa: ANN401 - Litestar's open state
    """The studio of an application."""
    studio: Studio = state.studio
    return studio
