"""Published vectors: frozen, true of the service, and true of the reference in JavaScript."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec import json as codec

from offerlab.assignment.hashing import bucket
from offerlab.domain.naming import unit_of
from support.find import find_node

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = DOCS / "assignment-vectors.json"
FROZEN = "55cba7e750b31445cfd5514ec38c0e3ab05244b355ffbb600718e2bd961d25b3"


class BucketVector(Struct):
    """A customer id as sent, the unit it names, and its slot under a salt."""

    salt: str
    sent: str | int
    unit: str
    bucket: int


class Gate(Struct):
    """A salt and the slots that pass it."""

    salt: str
    slots: list[tuple[int, int]]


class Traffic(Struct):
    """A salt and how many slots pass it."""

    salt: str
    slots: int


class Arms(Struct):
    """A salt and the ranges of the arms by segment."""

    salt: str
    ranges: dict[str, list[tuple[int, int, int]]]


class Described(Struct):
    """What a client needs to draw an experiment's arms."""

    key: str
    layers: list[Gate]
    traffic: Traffic
    arms: Arms


class DecisionVector(Struct):
    """A customer in an experiment."""

    experiment: int
    sent: str | int
    segment: str | None
    reason: str
    bucket: int | None
    variant: int | None


class Vectors(Struct):
    """The file."""

    slots: int
    buckets: list[BucketVector]
    experiments: list[Described]
    decisions: list[DecisionVector]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """The published file, decoded."""
    return codec.decode(VECTORS.read_bytes(), type=Vectors)


def head(salt: str, unit: str) -> int:
    """The bucket by the definition, from the standard library alone."""
    return int(sha256(f"{salt}:{unit}".encode()).hexdigest()[:16], 16) * 1_000_000 // 2**64


def test_the_file_is_frozen() -> None:
    """Nobody changes a published answer: that would break every running experiment."""
    assert sha256(VECTORS.read_bytes()).hexdigest() == FROZEN


def test_there_are_enough(vectors: Vectors) -> None:
    """At least 1,000, among them ids in other scripts and every reason that a hash can give."""
    assert len(vectors.buckets) + len(vectors.decisions) >= 1000
    assert sum(not vector.unit.isascii() for vector in vectors.buckets) >= 100
    assert {vector.reason for vector in vectors.decisions} == {"SPLIT", "NOT_IN_TRAFFIC", "EXCLUDED_BY_LAYER"}


def test_buckets_hold(vectors: Vectors) -> None:
    """Every id names its unit, and the unit has its bucket by our code and by the definition."""
    for vector in vectors.buckets:
        assert unit_of(vector.sent) == vector.unit
        assert bucket(vector.salt, vector.unit) == head(vector.salt, vector.unit) == vector.bucket


def test_decisions_hold(vectors: Vectors) -> None:
    """Every decision follows from the buckets alone, gate by gate."""
    for vector in vectors.decisions:
        assert by_definition(vectors.experiments[vector.experiment], vector) == (
            vector.reason,
            vector.bucket,
            vector.variant,
        )


def by_definition(experiment: Described, vector: DecisionVector) -> tuple[str, int | None, int | None]:
    """Reason, bucket and variant, written a second time from docs/assignment.md."""
    unit = unit_of(vector.sent) or ""
    for layer in experiment.layers:
        if not any(start <= head(layer.salt, unit) < end for start, end in layer.slots):
            return "EXCLUDED_BY_LAYER", None, None
    if head(experiment.traffic.salt, unit) >= experiment.traffic.slots:
        return "NOT_IN_TRAFFIC", None, None
    slot = head(experiment.arms.salt, unit)
    ranges = experiment.arms.ranges.get(vector.segment or "", experiment.arms.ranges[""])
    return "SPLIT", slot, next(variant for start, end, variant in ranges if start <= slot < end)


@pytest.mark.client
def test_javascript_agrees() -> None:
    """The 40-line reference gives every published answer."""
    node = find_node()
    if node is None:
        pytest.skip("no node on this machine; `make test` fetches one")
    run = subprocess.run(  # noqa: S603 - our own file, by the node that was found
        [node, DOCS / "assignment.js", VECTORS], capture_output=True, check=True, encoding="utf-8", timeout=300
    )
    found = json.loads(run.stdout)
    assert (found["checked"] >= 1000, found["wrong"]) == (True, [])


def test_the_reference_is_short() -> None:
    """Who ports it reads one screen."""
    assert len((DOCS / "assignment.js").read_text(encoding="utf-8").splitlines()) <= 40
