"""Standard Webhooks: how a message is signed and how a receiver checks it (standardwebhooks.com, symmetric scheme)."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from offerlab.errors import InvalidInput

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300
"""How old, or how far ahead, a message may be for a receiver."""
_SHORTEST, _LONGEST = 24, 64


def secret_text(secret: bytes) -> str:
    """A secret as its owner keeps it."""
    return PREFIX + base64.b64encode(secret).decode()


def secret_bytes(text: str) -> bytes:
    """The secret behind its text.

    Raises:
        InvalidInput: no such text, or not 24 to 64 bytes.
    """
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise InvalidInput("a webhook secret is whsec_ and base64", field="secret") from error
    if not _SHORTEST <= len(raw) <= _LONGEST:
        raise InvalidInput(f"a webhook secret has {_SHORTEST} to {_LONGEST} bytes", field="secret")
    return raw


def headers(secrets: Sequence[bytes], message_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt; one signature for each secret, so that a rotation overlaps."""
    signed = [f"v1,{_signature(secret, message_id, sent_at_s, body)}" for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at_s),
        "webhook-signature": " ".join(signed),
    }


def verify(secret: bytes, sent: Mapping[str, str], body: bytes, *, now_s: int) -> bool:
    """Whether a received message was signed with `secret` and is at most five minutes off."""
    stamp = sent.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdecimal()) or abs(now_s - int(stamp)) > TOLERANCE_S:
        return False
    own = _signature(secret, sent.get("webhook-id", ""), int(stamp), body)
    given = [part.partition(",") for part in sent.get("webhook-signature", "").split(" ")]
    return any(version == "v1" and hmac.compare_digest(text.encode(), own.encode()) for version, _, text in given)


def _signature(secret: bytes, message_id: str, sent_at_s: int, body: bytes) -> str:
    signed = f"{message_id}.{sent_at_s}.".encode() + body
    return base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
