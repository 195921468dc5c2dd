"""What is known of a customer when an offer is decided: profile, consents, counters, earlier assignments.

Hundreds of thousands of these stay in memory. They are trees, so the collector of cycles is spared looking at them
(`gc=False`): a look at all of them keeps every request waiting for a tenth of a second.
"""

from typing import Final

from msgspec import Struct

MOST_IDS: Final = 500
"""One person has at most so many ids: more is a shared machine or a broken integration, not a person."""


PROFILING: Final = "profiling"
"""The purpose of a consent whose refusal is an objection: no experiment, no offer, no profile scored (GDPR 21)."""

PROFILED: Final = f"all:{PROFILING}"
"""Where a profile keeps it: an objection is one, whatever channel it came by."""


def step_of(offer: str, sku: str) -> str:
    """Where a profile keeps that one product of an offer was declined; no key of an offer has a slash."""
    return f"{offer}/{sku}"


def product_declined(sku: str) -> str:
    """Where a profile keeps that a product was declined, in whatever offer."""
    return step_of("", sku)


class Assignment(Struct, frozen=True, array_like=True, gc=False):
    """An exposed customer's place in one experiment: kept for its life.

    Attributes:
        experiment: the experiment's id.
        variant: index of the arm.
        bucket: arm slot of the hash, 0 <= bucket < SLOTS.
        propensity: probability that this customer got this arm, given enrolment.
        exposed_at: first exposure, microseconds UTC.
    """

    experiment: int
    variant: int
    epoch: int
    segment: str | None
    bucket: int
    propensity: float
    exposed_at: int


class Profile(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Folded from events and orders; replaying them in any order gives the identical profile.

    Attributes:
        orders: order id -> (when it was first told, net merchandise revenue in minor units, revision, when that was
            told); an order in another currency counts with 0.
        viewed: sku -> last view, microseconds. owned: sku -> last purchase.
        cart: (as of, skus) of the latest whole cart. cart_changes: sku -> (as of, whether it was put in), after that
            cart. attributes: name -> (as of, value). consents: "channel:purpose" -> (as of, granted).
        declined: offer key, key/sku for one product of it, or /sku for the product in any offer -> last decline.
        trouble_at: last refund or complaint.
        ratings: sku -> (as of, the customer's own mark for it).
        shown: ISO date (UTC) and channel "2026-11-22:web" -> offers shown.
    """

    orders: dict[str, tuple[int, int, int, int]] = {}
    viewed: dict[str, int] = {}
    owned: dict[str, int] = {}
    cart: tuple[int, tuple[str, ...]] = (0, ())
    cart_changes: dict[str, tuple[int, bool]] = {}
    attributes: dict[str, tuple[int, object]] = {}
    consents: dict[str, tuple[int, bool]] = {}
    declined: dict[str, int] = {}
    trouble_at: int = 0
    ratings: dict[str, tuple[int, float]] = {}
    shown: dict[str, int] = {}

    @property
    def cart_skus(self) -> tuple[str, ...]:
        """What lies in the cart now."""
        if not self.cart_changes:
            return self.cart[1]
        out = {sku for sku, (_, inside) in self.cart_changes.items() if not inside}
        added = [sku for sku, (_, inside) in sorted(self.cart_changes.items(), key=_by_time) if inside]
        kept = tuple(sku for sku in self.cart[1] if sku not in out)
        return kept + tuple(sku for sku in added if sku not in kept)


def _by_time(item: tuple[str, tuple[int, bool]]) -> tuple[int, str]:
    return item[1][0], item[0]


class CustomerState(Struct, frozen=True, kw_only=True, gc=False):
    """Everything a decision may look at.

    Attributes:
        number: the internal number, None for a customer never seen.
        known: False when the state could not be read: the decision goes on by hash alone and says `stale`.
    """

    number: int | None = None
    profile: Profile = Profile()
    assignments: dict[int, Assignment] = {}
    known: bool = True


NOBODY = CustomerState()
"""The state of a customer never seen before."""

UNREAD = CustomerState(known=False)
"""The state when the store did not answer in time."""
