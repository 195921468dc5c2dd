"""Signatures and the pace of retries."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.delivery.retrying import ATTEMPTS, PAUSES_S, pause
from offerlab.delivery.signing import headers, secret_bytes, secret_text, verify
from offerlab.delivery.steady import LOOSE, TRUSTED, SteadyClock
from offerlab.domain.clock import DAY, SECOND
from offerlab.errors import InvalidInput

SECRET = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'


def test_the_specifications_own_vector() -> None:
    """The example of the Standard Webhooks libraries: this id, time, body and secret give this signature."""
    sent = headers([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert sent["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_tells_true_from_false() -> None:
    """A57: yesterday's message, a changed byte and a foreign secret fail; two secrets in rotation pass."""
    sent = headers([b"n" * 32, SECRET], "msg_1", 1_000_000, BODY)
    assert verify(SECRET, sent, BODY, now_s=1_000_299)
    assert verify(b"n" * 32, sent, BODY, now_s=1_000_000)
    assert not verify(SECRET, sent, BODY, now_s=1_000_301)
    assert not verify(SECRET, sent, BODY.replace(b"2432", b"2433"), now_s=1_000_000)
    assert not verify(b"x" * 32, sent, BODY, now_s=1_000_000)
    assert not verify(SECRET, {**sent, "webhook-id": "msg_2"}, BODY, now_s=1_000_000)
    assert not verify(SECRET, {**sent, "webhook-timestamp": "soon"}, BODY, now_s=1_000_000)


@given(st.binary(min_size=24, max_size=64))
def test_secrets_keep_their_bytes(secret: bytes) -> None:
    """Text and bytes of a secret are the same thing."""
    assert secret_bytes(secret_text(secret)) == secret


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!!!", "whsec_" + base64.b64encode(b"short").decode(), "ü"])
def test_a_secret_that_is_none(text: str) -> None:
    """Neither base64 of the right length, nor base64 at all."""
    with pytest.raises(InvalidInput):
        secret_bytes(text)


def test_retries_go_on_for_three_days() -> None:
    """Ten attempts in all, the last one more than three days after the first, each later than the one before."""
    waits = [pause(attempts, draw=0.0) for attempts in range(1, ATTEMPTS + 1)]
    assert waits == [*(seconds * SECOND for seconds in PAUSES_S), None]
    assert sum(wait or 0 for wait in waits) > 3 * DAY


@given(st.integers(1, ATTEMPTS - 1), st.floats(0, 1), st.integers(0, 10**7))
def test_a_pause_is_never_shorter_than_planned_or_asked(attempts: int, draw: float, asked: int) -> None:
    """Spread and Retry-After only ever lengthen a pause, and not beyond a day and a tenth."""
    wait = pause(attempts, draw=draw, asked_s=asked) or 0
    assert wait >= PAUSES_S[attempts - 1] * SECOND
    assert wait >= min(asked, 86_400) * SECOND
    assert wait <= 1.1 * DAY


def test_a_jump_of_the_clock_hurries_nothing() -> None:
    """An hour or three days ahead are not believed before they have stood a quarter of an hour; back is at once."""
    wall, elapsed = [10 * DAY], [0]
    clock = SteadyClock(lambda: wall[0], lambda: elapsed[0])

    def after(real: int, jump: int = 0) -> int:
        elapsed[0] += real
        wall[0] += real + jump
        return clock() - 10 * DAY

    assert after(SECOND) == SECOND
    assert after(SECOND, jump=3 * DAY) == 2 * SECOND
    assert after(TRUSTED - 1) == 2 * SECOND + TRUSTED - 1
    assert after(SECOND, jump=-3 * DAY) == TRUSTED + 3 * SECOND - 1
    assert after(SECOND, jump=DAY // 24) == TRUSTED + 4 * SECOND - 1
    assert after(TRUSTED) == 2 * TRUSTED + 4 * SECOND - 1 + DAY // 24
    assert after(SECOND, jump=LOOSE) == 2 * TRUSTED + 5 * SECOND - 1 + DAY // 24 + LOOSE
    assert after(SECOND, jump=-DAY) == 2 * TRUSTED + 6 * SECOND - 1 + DAY // 24 + LOOSE - DAY
