"""An offer's words held against what is true: its discount, the catalogue, the evidence, the law.

What would mislead or break the law keeps an offer from being stored; everything else the lint has to say is shown
where the offer is looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from offerlab.assignment.moment import moment_of
from offerlab.assignment.suppress import Case, display_of, judge
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Context, Decision, Outcome, Request
from offerlab.domain.naming import unit_of
from offerlab.domain.offer import Offer
from offerlab.domain.product import Product, Relation
from offerlab.domain.project import ProjectSettings
from offerlab.domain.touchpoint import SENT
from offerlab.errors import InvalidDefinition, NotFound
from offerlab.messaging.advert import advertise
from offerlab.messaging.context import context_for
from offerlab.messaging.findings import Finding
from offerlab.messaging.lint import Facts, lint
from offerlab.messaging.message import compile_message
from offerlab.messaging.render import Rendered, Unrendered
from offerlab.storage.customers import digest_of
from offerlab.workflows.presenting import ShownOffer, attributes_for, present
from offerlab.workflows.serving import Serving
from offerlab.workflows.snapshot import Snapshot

__all__ = ["Finding", "Preview", "findings_of", "preview", "proofread"]

REFUSED: Final = frozenset(
    (
        "discount_differs",
        "zero_saving",
        "other_currency",
        "claim_without_evidence",
        "ad_label_missing",
        "ad_label_altered",
        "ad_label_misplaced",
        "sender_missing",
        "opt_out_missing",
        "unsafe_link",
        "title_line_break",
    )
)
"""Remarks with which no offer is stored: it would mislead its reader, break the law or do harm."""

_SAMPLE: Final = "고객"


def proofread(
    offer: Offer,
    products: Mapping[str, Product],
    relations: Mapping[str, Sequence[Relation]],
    settings: ProjectSettings,
) -> None:
    """Refuse an offer whose words are not true, not lawful or not safe.

    Raises:
        InvalidDefinition: names the text; `extra` carries every remark.
    """
    found = findings_of(offer, products, relations, settings)
    worst = next((one for one in found if one.code in REFUSED), None)
    if worst is not None:
        extra = {"findings": [msgspec.to_builtins(one) for one in found], "reason": worst.code}
        raise InvalidDefinition(worst.en, field=worst.field, extra=extra)


def findings_of(
    offer: Offer,
    products: Mapping[str, Product],
    relations: Mapping[str, Sequence[Relation]],
    settings: ProjectSettings,
) -> tuple[Finding, ...]:
    """Every remark on an offer's words.

    Args:
        offer: it.
        products: the catalogue, or the part that the offer names.
        relations: by sku of the product that gives rise to an offer.
        settings: law, advertiser and currency.
    """
    trigger = next((products[sku] for sku in offer.trigger_products if sku in products), None)
    shown = _shown(offer, products, relations)
    if not shown and offer.kind != "engagement":
        return ()
    compiled = compile_message(offer.message)
    customer = {path[1]: _SAMPLE for path in compiled.names if path[0] == "customer" and len(path) > 1}
    upgrades = [
        relation
        for sku in offer.trigger_products
        for relation in relations.get(sku, ())
        if relation.kind == "upgrade" and shown and relation.target == shown[0].sku
    ]
    context = context_for(
        offer,
        shown,
        currency=settings.currency,
        trigger=trigger,
        customer=customer,
        features=upgrades[0].features if upgrades else (),
        code="CODE" if offer.discount.code == "unique" else None,
    )
    return lint(
        Facts(
            offer=offer,
            context=context,
            also_bought=_also_bought(offer, relations),
            is_upgrade=offer.kind == "upsell" and bool(upgrades or offer.trigger_products),
            law=settings.law,
            advertiser=settings.advertiser,
        )
    )


def _shown(offer: Offer, products: Mapping[str, Product], relations: Mapping[str, Sequence[Relation]]) -> list[Product]:
    """The offer's products, or an example of what its match may find."""
    named = [products[sku] for sku in offer.products if sku in products]
    if named or offer.kind == "engagement":
        return named
    related = (one.target for sku in offer.trigger_products for one in relations.get(sku, ()))
    others = (sku for sku in products if sku not in offer.trigger_products)
    return [products[sku] for sku in (*related, *others) if sku in products][:1]


def _also_bought(offer: Offer, relations: Mapping[str, Sequence[Relation]]) -> bool:
    """Whether baskets show that what is offered is bought with each trigger; a match by affinity finds nothing else."""
    if offer.match == "affinity":
        return True
    mined = {
        (sku, relation.target)
        for sku in offer.trigger_products
        for relation in relations.get(sku, ())
        if relation.source == "affinity" and relation.kind == "complement"
    }
    pairs = {(sku, target) for sku in offer.trigger_products for target in offer.products}
    return bool(pairs) and pairs <= mined


class Preview(Struct, frozen=True, kw_only=True):
    """An offer as a customer would meet it now.

    Attributes:
        offer: with its words, whatever would hold it back; null when there are no words, `unrendered` says why.
        suppressed: why this customer would not be shown it.
        findings: every remark on its texts, in English and Korean.
    """

    offer: ShownOffer | None
    suppressed: str | None
    unrendered: str | None
    findings: list[Finding]


def preview(
    serving: Serving, project_id: int, key: str, *, customer: object, attributes: dict[str, object], context: Context
) -> Preview:
    """Show an offer to a person who wants to see it, as this customer would; nothing is logged.

    Raises:
        NotFound: no such offer.
        InvalidInput: the id is no id.
    """
    snapshot = serving.runtime.snapshot(project_id)
    offer = snapshot.offers.get(key)
    if offer is None:
        raise NotFound(f"no offer has the key {key!r}")
    unit = unit_of(customer)
    state = NOBODY
    if unit is not None:
        state = serving.state_now(snapshot, digest_of(snapshot.project.secret, unit))
    now = serving.runtime.now()
    settings, shelf = snapshot.ruleset.settings, snapshot.ruleset.shelf
    display = display_of(offer, shelf, settings, moment=moment_of((offer,)), salt="preview")
    request = Request(unit=unit, attributes=attributes, context=context)
    verdict = judge(display, Case(shelf, settings, state, request, now))
    outcome = Outcome(
        index=-1,
        experiment_id=0,
        experiment="",
        variant=0,
        variant_key="",
        reason="FORCED",
        offer=offer,
    )
    shown = present(
        snapshot,
        Decision(outcome, None, None, verdict.picked),
        unit=unit or "preview",
        attributes=attributes_for(state, attributes),
        context=context,
        now=now,
    )
    words = shown.detail if isinstance(shown, Unrendered) else None
    return Preview(
        offer=None if isinstance(shown, Unrendered) or shown is None else as_advert(snapshot, shown),
        suppressed=verdict.withheld,
        unrendered=words,
        findings=list(findings_of(offer, snapshot.products, snapshot.relations, settings)),
    )


def as_advert(snapshot: Snapshot, shown: ShownOffer) -> ShownOffer:
    """With what the law wants on it, where the project says whose law that is."""
    settings, message = snapshot.ruleset.settings, shown.message
    if settings.law is None or settings.advertiser is None or message is None or shown.channel not in SENT:
        return shown
    words = advertise(Rendered(message.title, message.body, message.benefit, message.locale), settings.advertiser)
    told = msgspec.structs.replace(message, title=words.title, body=words.body)
    return msgspec.structs.replace(shown, message=told)
