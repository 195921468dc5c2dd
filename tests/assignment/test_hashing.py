"""The hash: published numbers, bounds and the digest look-up that stands in for them."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.assignment.hashing import arm_salt, bucket, cut, digest, salt_of, slot
from offerlab.domain.experiment import SLOTS

from .laboratory import draft, holdout


def test_bucket_is_the_scaled_head_of_sha256() -> None:
    """A bucket is floor(first 8 bytes of SHA-256 / 2**64 * SLOTS), as anybody can compute."""
    head = int(sha256(b"spring.arm:c-42").hexdigest()[:16], 16)
    assert bucket("spring.arm", "c-42") == head * SLOTS // 2**64


@pytest.mark.parametrize(
    ("head", "expected"),
    [(0, 0), (2**64 - 1, SLOTS - 1), (2**63, SLOTS // 2), (2**63 - 1, SLOTS // 2 - 1)],
    ids=["lowest", "highest", "half", "below-half"],
)
def test_slots_cover_the_whole_range(head: int, expected: int) -> None:
    """Multiply-shift reaches the first and the last slot and halves at one half."""
    assert slot(head.to_bytes(8, "big") + b"\x7f" * 24) == expected


@given(st.integers(0, 2**256 - 1), st.integers(0, SLOTS))
def test_a_cut_of_the_digest_is_a_bound_of_slots(number: int, end: int) -> None:
    """A digest lies below `cut(end)` exactly when its slot lies below `end`."""
    digested = number.to_bytes(32, "big")
    assert (digested < cut(end)) == (slot(digested) < end)


@given(st.integers(1, SLOTS - 1))
def test_a_cut_is_exact_at_its_bound(end: int) -> None:
    """The digest at a cut is the first of the next slot, the one before it the last of the slot below."""
    first = int.from_bytes(cut(end), "big")
    assert (slot(first.to_bytes(8, "big")), slot((first - 1).to_bytes(8, "big"))) == (end, end - 1)


def test_each_draw_has_a_salt_of_its_own() -> None:
    """Arm, holdout, traffic, layer and product are drawn with different salts from one root."""
    salts = {salt_of("root", draw) for draw in ("arm", "holdout", "traffic", "layer", "product")}
    assert len({digest(salt, "c-1") for salt in salts}) == 5


def test_a_holdout_is_drawn_by_its_own_salt() -> None:
    """A holdout's arms don't come from the salt that deals out offers."""
    assert (arm_salt(draft(7)), arm_salt(holdout(7, 0.1))) == ("salt-7.arm", "salt-7.holdout")
