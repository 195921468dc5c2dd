"""Write docs/assignment-vectors.json: published answers that every client of the hash must give.

The file is frozen by a test. Run this only to add vectors, never to change one: a changed answer breaks every
running experiment. Run: PYTHONPATH=src python scripts/assignment_vectors.py
"""

import json
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from offerlab.assignment.allocation import claim_layers, first_epoch, gate_of, next_epoch
from offerlab.assignment.decide import decide
from offerlab.assignment.hashing import arm_salt, bucket, salt_of
from offerlab.assignment.ruleset import Rules, compile_ruleset
from offerlab.domain.customer import NOBODY
from offerlab.domain.decision import Request
from offerlab.domain.experiment import HELD_OUT, PROGRAMME, SLOTS, Experiment, MetricPlan, Variant
from offerlab.domain.layer import Layer
from offerlab.domain.lifecycle import moved
from offerlab.domain.naming import unit_of
from offerlab.domain.segment import Segment, parse_rule

OUT = Path(__file__).parent.parent / "docs" / "assignment-vectors.json"
SENT: tuple[str | int, ...] = (
    "c-42", "42", 42, -7, 9007199254740991, "A", "a", " padded ", "kim@example.com", "user:with:colons", "+1", "1.0",
    "\u110f\u1162\u11b8\u1109\u1172\u11af", "\ucea1\uc290",  # Korean: decomposed, then composed: one unit
    "e\u0301", "\u00e9", "A\u030a", "\u00c5", "\u212b",  # e acute twice, A ring three times
    "\ufb01", "fi", "\u017f", "\u00df", "\u0130", "\u03a9", "\u2126",  # compatibility forms stay, the ohm sign is omega
    "\U0001f6d2", "\U0001f469\u200d\U0001f467", "\u4e2d\u6587", "\u0639\u0645\u064a\u0644", "\u0915\u094d\u0937",
    "00000000-0000-0000-0000-000000000000", "gid://shopify/Customer/7", "1e3", "x" * 1024, "NULL", "none",
)  # fmt: skip
SALTS = ("spring", "0f8fad5bd9cb469fa16570867728950e", "\uc18c\uae08", "a.b", "with:colon", "")
PAGE, MAIL = Layer(key="page", salt="layer-page"), Layer(key="mail", salt="layer-mail")
NEAR = Segment(key="near", rule=parse_rule({"attribute": "near", "op": "eq", "value": True}))


def arms(*weights: float) -> tuple[Variant, ...]:
    """So many arms."""
    return tuple(Variant(key=f"v{i}", weight=weight) for i, weight in enumerate(weights))


def experiments() -> list[Experiment]:
    """One experiment for every way in which slots are dealt out."""
    half = _running(1, arms(0.5, 0.5))
    return [
        half,
        _running(2, arms(1 / 3, 1 / 3, 1 / 3)),
        _running(3, arms(0.1, 0.0, 0.9), traffic=0.35),
        _running(4, arms(0.5, 0.5), segments=("near",), allocation={"near": {"v0": 0.25, "v1": 0.75}}),
        _running(5, arms(0.5, 0.5), (PAGE,), traffic=0.2),
        _running(6, arms(0.5, 0.5), (PAGE, MAIL), traffic=0.49),
        _again(half, 7, {"v0": 0.6, "v1": 0.4}),
        _again(_again(half, 8, {"v0": 0.2, "v1": 0.8}), 8, {"v0": 0.35, "v1": 0.65}),
        _running(9, (Variant(key=HELD_OUT, weight=0.05), Variant(key=PROGRAMME, weight=0.95)), holdout="*"),
    ]


def _running(
    number: int, variants: tuple[Variant, ...], layers: tuple[Layer, ...] = (), **fields: object
) -> Experiment:
    made = Experiment(
        id=number, key=f"e{number}", salt=f"vector-{number}", variants=variants, metrics=MetricPlan(primary="aov")
    )
    made = structs.replace(made, layer=tuple(layer.key for layer in layers) or None, **fields)
    taken = {"page": [((0, 100_000), (250_000, 300_000))]}
    epoch = first_epoch(made, 1, claim_layers(layers, taken, made.traffic))
    return moved(structs.replace(made, epochs=(epoch,)), "start", now=1)


def _again(experiment: Experiment, number: int, weights: dict[str, float]) -> Experiment:
    epoch = next_epoch(experiment, len(experiment.epochs) + 1, weights=weights)
    epochs = (*experiment.epochs, epoch)
    return structs.replace(experiment, id=number, key=f"e{number}", salt=f"vector-{number}", epochs=epochs)


def described(experiment: Experiment) -> dict[str, object]:
    """What a client needs to draw an experiment's arms: its last epoch."""
    epoch = experiment.epochs[-1]
    return {
        "key": experiment.key,
        "layers": [{"salt": salt_of(claim.salt, "layer"), "slots": claim.slots} for claim in epoch.claims],
        "traffic": {"salt": salt_of(experiment.salt, "traffic"), "slots": gate_of(epoch)},
        "arms": {
            "salt": arm_salt(experiment),
            "ranges": {
                segment: [[piece.start, piece.end, piece.variant] for piece in ranges]
                for segment, ranges in epoch.arms.items()
            },
        },
    }


def decisions(made: list[Experiment]) -> Iterator[dict[str, object]]:
    """What the service itself answers."""
    rest = [structs.replace(one, holdout=None) for one in made]
    for place, one in enumerate(made):
        # A holdout alone covers nothing, so that its own moment never comes: it is drawn under a covered experiment.
        rules = Rules(version=1, experiments=(one, rest[0]) if one.holdout else (one,), segments=(NEAR,))
        ruleset = compile_ruleset(rules)
        for sent in (*SENT, *(f"customer-{n}" for n in range(60))):
            near = bool(one.segments)
            request = Request(unit=unit_of(sent), attributes={"near": near}, experiments=(one.key,))
            if one.holdout:
                request = structs.replace(request, experiments=None)
            (decision,) = [d for d in decide(ruleset, NOBODY, request, 10).decisions if d.experiment == one.key]
            yield {
                "experiment": place,
                "sent": sent,
                "segment": "near" if near else None,
                "reason": decision.reason,
                "bucket": decision.bucket,
                "variant": decision.variant if decision.enrolled else None,
            }


def main() -> None:
    """Write the file, one vector per line."""
    made = experiments()
    buckets = [
        {"salt": salt, "sent": sent, "unit": unit_of(sent), "bucket": bucket(salt, unit_of(sent) or "")}
        for salt in SALTS
        for sent in (*SENT, *(f"customer-{n}" for n in range(40)))
    ]
    parts = {
        "slots": SLOTS,
        "buckets": buckets,
        "experiments": [described(one) for one in made],
        "decisions": list(decisions(made)),
    }
    lines = [f'"{name}": {_lines(value)}' for name, value in parts.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _lines(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=True) for item in value) + "\n]"


if __name__ == "__main__":
    main()
