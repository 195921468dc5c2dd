"""From baskets to the matching table: evidence, the floor and its reasons, what changed since the last build."""

import numpy as np
import pytest

from offerlab.affinity.baskets import Baskets
from offerlab.affinity.counting import count
from offerlab.affinity.evidence import Evidence, Findings, Floor, Refusal, discovered, examine, explain, refusal
from offerlab.affinity.mining import Build, difference, mine, relations
from offerlab.affinity.strategies import BEST, Confidence, Count
from offerlab.errors import NotFound

from .shops import baskets_of, online_retail, random_baskets, seeded

GUIDE, PHRASES, MAP = "japan-travel-guide", "japanese-phrase-book", "folding-map"


@pytest.fixture(scope="module")
def bookshop() -> Baskets:
    """600 baskets of a bookshop; buyers of the travel guide often take phrase book and folding map as well."""
    rng = seeded()
    baskets = random_baskets(rng, baskets=600, items=25, mean_size=2)
    held = [[baskets.items[i] for i in row] for row in np.split(baskets.table.indices, baskets.table.indptr[1:-1])]
    for i, skus in enumerate(held):
        if i % 8 == 0:
            skus.append(GUIDE)
            skus += [sku for sku, share in ((PHRASES, 0.6), (MAP, 0.5)) if rng.uniform() < share]
    return baskets_of(*held, customers=[f"c{i % 300}" for i in range(600)], days=[i // 5 for i in range(600)])


@pytest.fixture(scope="module")
def build(bookshop: Baskets) -> Build:
    """The bookshop's matching table."""
    return mine(bookshop)


def targets(build: Build, sku: str) -> list[str]:
    """The matches of one product, best first."""
    return [m.evidence.target for m in build.matches if m.evidence.sku == sku]


def test_planted_pairs_are_recovered(build: Build) -> None:
    """The travel guide is matched with phrase book and folding map, and with nothing else."""
    assert targets(build, GUIDE) == [PHRASES, MAP]


def test_evidence_is_what_the_baskets_say(bookshop: Baskets, build: Build) -> None:
    """Every count of a match can be recounted by a plain loop over the baskets."""
    (match,) = [m for m in build.matches if (m.evidence.sku, m.evidence.target) == (GUIDE, PHRASES)]
    a, b = (bookshop.items.index(sku) for sku in (GUIDE, PHRASES))
    held = bookshop.table.toarray()[:, [a, b]].astype(bool)
    both = held.all(axis=1)
    e = match.evidence
    counted = (e.together, e.with_sku, e.with_target, e.total, e.customers, e.periods)
    recounted = (
        int(both.sum()),
        *(int(n) for n in held.sum(axis=0)),
        600,
        len(set(bookshop.customers[both].tolist())),
        len(set((bookshop.days[both] // 30).tolist())),
    )
    assert counted == recounted
    ratios = (e.together / 600, e.together / e.with_sku, e.together * 600 / (e.with_sku * e.with_target))
    assert (e.support, e.confidence, e.lift) == pytest.approx(ratios)
    assert e.lift_lower < e.lift < e.lift_upper
    assert e.p_fisher <= e.p_value <= e.q_value <= 0.05


def test_every_match_is_above_the_floor(build: Build) -> None:
    """No match is one that the floor would refuse, and places count from 1 without a gap."""
    assert [m for m in build.matches if refusal(m.evidence, build.floor)] == []
    for sku in {m.evidence.sku for m in build.matches}:
        places = [m.place for m in build.matches if m.evidence.sku == sku]
        assert places == list(range(1, len(places) + 1))


def test_a_build_says_from_what_it_was_made(build: Build) -> None:
    """A build carries its strategy, its floor, its numbers of baskets and items, and its days."""
    assert (build.strategy, build.floor, build.baskets, build.first_day, build.last_day) == (BEST, Floor(), 600, 0, 119)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"together": 0}, "never_bought"),
        ({"together": 9}, "too_few_together"),
        ({"customers": 2}, "too_few_customers"),
        ({"periods": 1}, "too_few_periods"),
        ({"lift": 1.2}, "lift_below_floor"),
        ({"q_value": 0.06}, "not_significant"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refused_pair_hears_why(changed: dict[str, float], reason: Refusal | None) -> None:
    """Each thing that the floor asks for is refused by its own word."""
    good = {"together": 40, "with_sku": 80, "with_target": 90, "total": 600, "customers": 30, "periods": 4}
    figures = {"support": 0.07, "confidence": 0.5, "lift": 3.3, "lift_lower": 2.7, "lift_upper": 4.0}
    tests = {"expected": 12.0, "p_fisher": 1e-9, "p_value": 1e-9, "q_value": 1e-7}
    evidence = Evidence(sku="a", target="b", **(good | figures | tests | changed))  # type: ignore[arg-type] # counts and shares in one table
    assert refusal(evidence, Floor(lift=1.2, fewest_periods=2)) == reason


def test_an_unrelated_pair_is_refused_with_its_numbers(bookshop: Baskets) -> None:
    """Asked for two books that only chance brings together, the answer is a reason, not a match."""
    evidence = explain(examine(count(bookshop), Floor(fewest_together=1)), GUIDE, "item0000")
    assert refusal(evidence, Floor(fewest_together=1)) in {"not_significant", "lift_below_floor"}


def test_a_pair_never_bought_has_evidence_too() -> None:
    """Counts of zero, a lift of zero with an upper end, and no claim."""
    evidence = explain(examine(count(baskets_of("ab", "ac", "b"))), "b", "c")
    assert (evidence.together, evidence.lift, evidence.q_value, evidence.expected) == (0, 0, 1, None)
    assert evidence.lift_upper > 0


def test_a_stranger_is_named(bookshop: Baskets) -> None:
    """Evidence for a product that nobody bought is an error that names it."""
    with pytest.raises(NotFound, match="atlas"):
        explain(examine(count(bookshop)), GUIDE, "atlas")


def one_reseller(people: int) -> Baskets:
    """60 baskets with the pair, bought by so many customers, among 640 others."""
    return baskets_of(*["ab"] * 60, *["a", "b"] * 20, *"c" * 600, customers=[f"r{i % people}" for i in range(60)])


@pytest.mark.parametrize(("people", "expected"), [(1, []), (2, []), (3, ["b"])])
def test_one_reseller_makes_no_pair(people: int, expected: list[str]) -> None:
    """A pair bought 60 times is a match only if at least three customers bought it."""
    assert targets(mine(one_reseller(people)), "a") == expected


def test_by_customer_a_reseller_counts_once() -> None:
    """With customers as the unit, 60 baskets of one reseller are one."""
    assert targets(mine(one_reseller(1), unit="customer", floor=Floor(fewest_customers=1)), "a") == []
    assert targets(mine(one_reseller(60), unit="customer"), "a") == ["b"]


def test_a_pair_of_one_season_is_left_out() -> None:
    """Two periods asked for: what went together in one month alone is no match."""
    held, rest = ["ab"] * 60, [*["a", "b"] * 20, *"c" * 560]
    once = baskets_of(*held, *rest, days=[*[5] * 60, *range(600)])
    often = baskets_of(*held, *rest, days=[*range(0, 600, 10), *range(600)])
    floor = Floor(fewest_periods=2)
    assert (targets(mine(once, floor=floor), "a"), targets(mine(often, floor=floor), "a")) == ([], ["b"])


def test_the_best_allowed_matches_are_found_however_deep_they_stand() -> None:
    """One reseller's twenty pairs fill the first places; the true pair behind them is still found."""
    resold = "".join(chr(ord("A") + i) for i in range(20))
    held = [*["a" + resold] * 40, *["ab"] * 15, *["b"] * 5, *[f"{x}" for x in "cdefg"] * 100]
    baskets = baskets_of(*held, customers=["reseller"] * 40)
    assert targets(mine(baskets, strategy=Count(), floor=Floor(largest_q=1.0), top=3), "a") == ["b"]


def test_reviews_keep_a_product_out(bookshop: Baskets) -> None:
    """A weight of zero for the phrase book leaves the map alone."""
    weights = np.array([0.0 if sku == PHRASES else 1.0 for sku in bookshop.items])
    assert targets(mine(bookshop, weights=weights), GUIDE) == [MAP]


def test_difference_names_new_lost_and_moved_pairs(bookshop: Baskets, build: Build) -> None:
    """Against a build without the phrase book its pairs are new and the map has moved; the reverse is the mirror."""
    weights = np.array([0.0 if sku == PHRASES else 1.0 for sku in bookshop.items])
    before, after = relations(mine(bookshop, weights=weights)), relations(build)
    gained, lost = difference(before, after), difference(after, before)
    assert (GUIDE, PHRASES) in gained.new
    assert gained.new == lost.lost
    assert (GUIDE, MAP, 1, 2) in gained.moved
    assert gained.kept == lost.kept == len(before)


def test_a_build_differs_from_itself_in_nothing(build: Build) -> None:
    """The same baskets give the same build."""
    same = difference(relations(build), relations(build))
    assert (same.new, same.lost, same.moved, same.kept) == ((), (), (), len(build.matches))


def test_relations_carry_their_evidence(build: Build) -> None:
    """Matches become complements of the catalogue, ranked, marked as mined, with counts, lift and interval."""
    (relation,) = [r for r in relations(build) if (r.sku, r.target) == (GUIDE, PHRASES)]
    assert (relation.kind, relation.rank, relation.source) == ("complement", 1, "affinity")
    wanted = {"together", "support", "confidence", "lift", "lift_lower", "lift_upper", "p_value", "q_value", "score"}
    assert wanted <= relation.evidence.keys()


def test_no_baskets_no_matches() -> None:
    """A shop without orders has an empty table, not an error."""
    build = mine(baskets_of())
    assert (build.matches, build.baskets, build.items) == ((), 0, 0)


def test_discovered_pairs_are_symmetric(bookshop: Baskets) -> None:
    """What goes with a has a going with it."""
    flags = discovered(examine(count(bookshop))).toarray()
    assert (flags == flags.T).all()
    assert flags.any()


def test_findings_know_their_counts(bookshop: Baskets) -> None:
    """The findings of a build lead back to the counts they were made from."""
    counts = count(bookshop)
    findings: Findings = examine(counts)
    assert findings.counts is counts


@pytest.mark.slow
def test_real_shop_has_a_table() -> None:
    """Online Retail before the split: nine products in ten have a match, and each of its matches is above the floor."""
    train, _ = online_retail()
    build = mine(train, strategy=Confidence())
    assert len({m.evidence.sku for m in build.matches}) > 0.9 * len(train.items)
    assert [m for m in build.matches if refusal(m.evidence, build.floor)] == []
