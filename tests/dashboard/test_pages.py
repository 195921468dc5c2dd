"""What the pages say, without a browser."""

import re

import pytest

from dashboard import sample
from dashboard.seed import REPORTS, seeded
from dashboard.visitor import Text, Visitor
from offerlab.dashboard.frame import POLICY
from offerlab.dashboard.words import PAGE
from support.service import Service

PAGES = ("/", "/experiments", "/experiments/spring-bundle", *(f"/experiments/{key}" for key in REPORTS))
HANGUL = re.compile("[가-힣]")


@pytest.fixture
def visitor(shop: Service) -> Visitor:
    """Somebody with an admin key."""
    known = Visitor(shop)
    known.sign_in()
    return known


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("path", [*PAGES, "/experiments/coffee-addon/end", "/experiments/nowhere"])
def test_every_page_keeps_the_policy(visitor: Visitor, path: str, language: str) -> None:
    """No inline style or script, one first heading, the language named, the policy sent."""
    answer = visitor.get(f"{path}?lang={language}")
    page = Text(answer.text)
    assert answer.headers["content-security-policy"] == POLICY
    assert page.forbidden == []
    assert page.tags.count("h1") == 1
    assert f'<html lang="{language}">' in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_an_english_page_has_no_korean(visitor: Visitor, path: str) -> None:
    """Only the language switch is in the other language."""
    said = Text(visitor.get(f"{path}?lang=en").text).said
    assert {text for text in said if HANGUL.search(text) and "캡슐" not in text} == {"한국어"}


def test_the_headline_has_size_unit_and_range_and_leads_to_its_proof(visitor: Visitor) -> None:
    """The answer stands first, in words, with links to the blocks that prove it."""
    page = visitor.get("/experiments/coffee-addon?lang=en").text
    assert "<strong>Ship cross-sell.</strong>" in page
    said = Text(page).text
    assert "₩412 more profit per customer than control (95 % range ₩90 to ₩734)" in said
    assert 'href="#trust"' in page
    assert 'href="#primary"' in page


def test_what_analysts_read_stands_beneath_the_answer(visitor: Visitor) -> None:
    """Capped and believed effects, the end foretold, factors, novelty and voices, in both languages."""
    english = Text(visitor.get("/experiments/coffee-addon?lang=en").text).text
    for words in (
        "Chance to be the best arm",
        "until 20 experiments have ended; now 3.",
        "with 24,000 customers the plan can show a gain of",
        "Best timing: +24 h (the best with a chance of 99.9 %).",
        "product & message: not enough data",
        "by days since exposure (revenue before refunds)",
        "Too dear, write to •••",
        "too expensive",
        "one extra order cost ₩2,190 in discounts and delivery",
    ):
        assert words in english, words
    korean = Text(visitor.get("/experiments/coffee-addon?lang=ko").text).text
    for words in ("가장 좋을 확률", "시점 항목은 +24 h 쪽이 가장 좋아요", "고객이 남긴 말", "추가 주문 한 건에"):
        assert words in korean, words


def test_trust_stands_before_any_effect(visitor: Visitor) -> None:
    """Blocks come in the order of the specification."""
    page = visitor.get("/experiments/coffee-addon").text
    order = re.findall(r'<section id="(\w+)"', page)
    assert order == [
        "verdict", "trust", "primary", "guardrails", "secondary", "money", "segments", "factors", "time", "declines",
            "flow", "reproduce", "setup",
    ]  # fmt: skip


def test_a_broken_split_hides_every_effect_until_asked(visitor: Visitor) -> None:
    """Numbers that may not be used are not shown by accident, and the choice stands in the address."""
    hidden = Text(visitor.get("/experiments/broken-split?lang=en").text).text
    assert "the split is off" in hidden
    assert "₩412" not in hidden
    assert "pictures/effects" not in visitor.get("/experiments/broken-split").text
    shown = Text(visitor.get("/experiments/broken-split?show=anyway&lang=en").text).text
    assert "these effects may be wrong" in shown
    assert "₩412" in shown


def test_thin_data_give_a_reason_and_counts(visitor: Visitor) -> None:
    """Never NaN, None or an empty frame."""
    said = Text(visitor.get("/experiments/second-day?lang=en").text).text
    assert "too few purchases to judge (cross-sell 22, control 17)" in said
    assert not re.search(r"\b(nan|None|null|inf)\b", said)


def test_maturing_says_until_when(visitor: Visitor) -> None:
    """Numbers that can still fall name the day on which they are final."""
    said = Text(visitor.get("/experiments/ended?lang=en").text).text
    assert "Not final yet. Refunds can still arrive until Wed 25 Nov 2026" in said
    assert "Customers now see: cross-sell." in said


def test_a_draft_shows_its_set_up(visitor: Visitor) -> None:
    """Before the start there is a plan and a button."""
    said = Text(visitor.get("/experiments/spring-bundle?lang=en").text).text
    assert "nobody is asked and nothing is counted until it starts" in said
    assert "control · 34 % · nothing is shown" in said


def test_counts_add_up_to_everyone(visitor: Visitor) -> None:
    """Exposed is crossovers and analysed; analysed is shown and not shown."""
    funnel = sample.ship().funnel
    assert funnel.exposed == funnel.crossovers + funnel.analysed
    said = Text(visitor.get("/experiments/coffee-addon?lang=en").text).text
    for number in (funnel.exposures, funnel.exposed, funnel.analysed):
        assert f"{number:,}" in said


def test_the_list_finds_filters_and_counts(visitor: Visitor) -> None:
    """Search, tabs and export go by the address."""
    everything = visitor.get("/experiments?lang=en").text
    assert re.findall(r'class="count">(\d+)<', everything) == ["5", "1", "3", "1", "0", "0"]
    found = Text(visitor.get("/experiments?q=split+COFFEE&lang=en").text).text
    assert "broken-split" in found
    assert "second-day" not in found
    assert "Nothing matches “zzz” here." in Text(visitor.get("/experiments?q=zzz&lang=en").text).text
    drafts = visitor.get("/experiments?state=draft&format=csv")
    assert [line.split(",")[0] for line in drafts.text.splitlines()] == ["key", "spring-bundle"]


def test_today_names_what_needs_a_person(visitor: Visitor) -> None:
    """A broken split first of all; what runs with its sentence."""
    said = Text(visitor.get("/?lang=en").text).text
    needs = said[said.index("Needs you") : said.index("Running", said.index("Needs you"))]
    assert "the split is off" in needs
    assert "Ready for a decision." in needs
    assert "Lately decided" in said


def test_script_in_names_is_shown_as_text(visitor: Visitor) -> None:
    """What marketers type cannot become markup."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"
    report = sample.ship()
    visitor.service.made(
        "/v1/experiments",
        {
            "key": "evil",
            "name": evil,
            "hypothesis": evil,
            "variants": [{"key": "control", "weight": 0.5}, {"key": "b", "offer": "capsules", "weight": 0.5}],
            "metrics": {"primary": "revenue_per_customer"},
        },
    )
    assert report.experiment == "coffee-addon"
    for path in ("/experiments", "/experiments/evil", f"/experiments?q={evil}", "/experiments/evil/start"):
        answer = visitor.get(path)
        page = Text(answer.text)
        assert page.forbidden == []
        assert "img" not in page.tags or path == "/experiments"
        assert "{{7*7}}" in page.text or "q=" in path


def test_pictures_come_as_specification_and_are_kept_by_their_moment(visitor: Visitor) -> None:
    """A picture's address names the moment of its numbers, so browsers may keep it."""
    page = visitor.get("/experiments/coffee-addon").text
    address = re.search(r'data-spec="([^"]+)"', page)
    assert address is not None
    spec = visitor.get(address[1].replace("&amp;", "&") + "&size=narrow&theme=dark")
    assert spec.status_code == 200
    assert spec.json()["width"] == 320
    assert "max-age" in spec.headers["cache-control"]
    assert visitor.get("/experiments/coffee-addon/pictures/nothing.svg").status_code == 404
    assert visitor.get("/experiments/coffee-addon/pictures/effects-aov.gif").status_code == 404


def test_the_report_can_be_downloaded(visitor: Visitor) -> None:
    """The same report as the API's, with the session's right."""
    answer = visitor.get("/experiments/coffee-addon/export/json")
    assert answer.json()["verdict"]["decision"] == "ship"
    assert "attachment" in answer.headers["content-disposition"]


def test_a_mistyped_address_is_told_as_a_page_to_people_and_as_a_problem_to_programs(visitor: Visitor) -> None:
    """Who asks for HTML reads a page in their language; a program, and whoever mistypes an API address, gets JSON."""
    page = visitor.get("/nowhere?lang=ko", Accept="text/html")
    assert (page.status_code, "/nowhere 페이지가 없어요." in page.text) == (404, True)
    for path, accept in (("/nowhere", "*/*"), ("/v1/nowhere", "text/html")):
        answer = visitor.get(path, Accept=accept)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_missing_things_are_named(visitor: Visitor) -> None:
    """A wrong key leads to a search for it."""
    answer = visitor.get("/experiments/nowhere?lang=en")
    assert answer.status_code == 404
    assert "No experiment has the key nowhere." in Text(answer.text).text
    assert 'href="/experiments?q=nowhere"' in answer.text


def test_every_word_has_both_languages_with_the_same_places() -> None:
    """A placeholder of one language is in the other too, and Korean texts are Korean."""
    for code, (english, korean) in PAGE.items():
        places = [set(re.findall(r"\{(\w+)\}", text)) for text in (english, korean)]
        assert places[0] == places[1], code
        assert HANGUL.search(korean) or code == "c_p", code


def test_an_empty_house_says_what_to_do_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nobody stands before a blank page."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'offerlab.sqlite'}")
    try:
        visitor = Visitor(service)
        visitor.sign_in()
        assert "Three steps to the first answer" in visitor.get("/?lang=en").text
        assert "An experiment shows an offer to some customers" in visitor.get("/experiments?lang=en").text
    finally:
        service.close()


def test_actions_say_what_happens_do_it_and_say_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Start, pause, resume, re-weigh and end by their pages; a stale page changes nothing."""
    service = seeded(f"sqlite:///{tmp_path_factory.mktemp('acts') / 'offerlab.sqlite'}")
    try:
        visitor = Visitor(service)
        visitor.sign_in()
        key = "/experiments/coffee-addon"
        before = Text(visitor.get("/experiments/spring-bundle/start?lang=en").text).text
        assert "Before you start" in before
        assert "no remark on its words" in before or "remarks on its words" in before
        assert "unit cost" in before
        started = visitor.form("/experiments/spring-bundle/start")
        assert visitor.post("/experiments/spring-bundle/start", started).headers["location"].endswith("?done=start")
        stale = visitor.form(f"{key}/pause")
        assert visitor.post(f"{key}/pause", {**stale, "note": "stock"}).status_code == 303
        assert visitor.post(f"{key}/pause", stale).status_code == 409
        assert "Paused since" in visitor.get(f"{key}?lang=en").text
        assert visitor.post(f"{key}/resume", visitor.form(f"{key}/resume")).status_code == 303
        weights = visitor.form(f"{key}/ramp")
        assert visitor.post(f"{key}/ramp", {**weights, "w0": "50", "w1": "40", "w2": "40"}).status_code == 422
        assert visitor.post(f"{key}/ramp", {**weights, "w0": "20", "w1": "40", "w2": "40"}).status_code == 303
        end = visitor.form(f"{key}/end")
        assert " checked" not in visitor.get(f"{key}/end").text
        assert visitor.post(f"{key}/end", end).status_code == 422
        against = {**end, "serve": "control", "conclusion": "keep_control"}
        refused = visitor.post(f"{key}/end?lang=en", against)
        assert refused.status_code == 422
        assert "This goes against the evidence so far." in Text(refused.text).text
        done = visitor.post(f"{key}/end", {**end, "serve": "cross-sell", "conclusion": "ship"})
        assert done.headers["location"] == f"{key}?done=end"
        ended = service.get("/v1/experiments/coffee-addon").json()
        assert (ended["status"], ended["conclusion"]) == ("stopped", "ship")
    finally:
        service.close()
