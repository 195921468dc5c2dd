"""The pages of segments: without script, in both languages, with numbers from the shop's own orders."""

import re
from collections.abc import Iterator

import pytest

from dashboard.visitor import Text, Visitor
from offerlab.dashboard.frame import POLICY
from offerlab.dashboard.segments import sentence
from offerlab.dashboard.speech import Speech
from offerlab.domain.segment import All, Condition
from offerlab.reporting.words import Language
from support.service import COFFEE, Service

HANGUL = re.compile("[가-힣]")
PATHS = ("/segments", "/segments/repeat", "/segments/rare")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Thirty customers with one to three orders of 10,000 won, a third of them to be mailed; two segments."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('segments') / 'offerlab.sqlite'}")
    service.made("/v1/products", [{**one, "name": "Machine" if i == 0 else "Capsules"} for i, one in enumerate(COFFEE)])
    line = {"sku": "capsule-set", "quantity": 1, "unit_price": "10000"}
    service.send(
        *(
            {
                "id": f"{i}-{n}",
                "type": "order",
                "customer_id": f"c{i}",
                "order_id": f"{i}-{n}",
                "lines": [line],
                "occurred_at": service.at(days=-1 - i % 20 - n),
            }
            for i in range(45)
            for n in range(i % 3 + 1)
        ),
        *(
            {"id": f"k{i}", "type": "consent", "customer_id": f"c{i}", "channel": "email", "granted": True}
            for i in range(0, 45, 3)
        ),
    )
    rule = {"attribute": "orders_count", "op": "gte", "value": 2}
    service.made("/v1/segments", {"key": "repeat", "name": "Twice & more", "rule": rule, "priority": 40})
    rare = {"any": [{"attribute": "country", "op": "in", "value": ["KR", "JP"]}, {"all": [rule, rule]}]}
    service.made("/v1/segments", {"key": "rare", "rule": {"all": [rare, {**rule, "value": 9}]}, "priority": 50})
    yield service
    service.close()


@pytest.fixture
def visitor(shop: Service) -> Visitor:
    """Somebody with an admin key."""
    known = Visitor(shop)
    known.sign_in()
    return known


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("path", [*PATHS, "/segments/nowhere"])
def test_segment_pages_keep_the_policy(visitor: Visitor, path: str, language: str) -> None:
    """No inline style or script, one first heading, the language named, the policy sent."""
    answer = visitor.get(f"{path}?lang={language}")
    page = Text(answer.text)
    assert answer.headers["content-security-policy"] == POLICY
    assert (page.forbidden, page.tags.count("h1")) == ([], 1)
    assert f'<html lang="{language}">' in answer.text
    assert answer.status_code == (404 if path.endswith("nowhere") else 200)


@pytest.mark.parametrize("path", PATHS)
def test_an_english_segment_page_has_no_korean(visitor: Visitor, path: str) -> None:
    """Only the language switch is in the other language; the Korean page says its own words."""
    assert {text for text in Text(visitor.get(f"{path}?lang=en").text).said if HANGUL.search(text)} == {"한국어"}
    assert "고객층" in visitor.get(f"{path}?lang=ko").text


def test_a_segment_says_who_it_is(visitor: Visitor) -> None:
    """Rule as a sentence, size, order value, products, reach, and how long a test would take for an effect chosen."""
    said = Text(visitor.get("/segments/repeat?lang=en").text).text
    assert "orders so far at least 2" in said
    assert "30 of 45 (66.7 %)" in said
    assert "₩10,000" in said
    assert "Capsules" in said
    assert "E-mail 0" in said
    coarse, fine = (
        re.findall(r"(\d+) weeks with", Text(visitor.get(f"/segments/repeat?mde={mde}&lang=en").text).text)
        for mde in ("0.2", "0.1")
    )
    assert (len(coarse), int(coarse[0]) < int(fine[0])) == (2, True)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "days since a look at capsule-set at most 3 and mean rating given to coffee at least 4"),
        ("ko", "capsule-set 상품을 본 뒤 지난 날 3 이하 그리고 coffee에 남긴 평점 평균 4 이상"),
    ],
)
def test_a_rule_about_one_product_or_category_is_a_sentence(language: Language, told: str) -> None:
    """What stands behind a colon is said, never the attribute's own name; an unknown one stays as it is written."""
    look = Condition("days_since_view:capsule-set", "lte", 3)
    speech = Speech(language, "KRW", 0)
    assert sentence(All((look, Condition("rating_mean:coffee", "gte", 4))), speech) == told
    assert sentence(Condition("crm:level", "gte", 4), speech).startswith("crm:level")


def test_a_handful_is_not_spoken_of(visitor: Visitor) -> None:
    """Under ten customers there is no number but that; the nested rule is read back with its brackets."""
    said = Text(visitor.get("/segments/rare?lang=en").text).text
    assert "under 10" in said
    assert "Order value" not in said
    assert "(country is one of KR, JP or (orders so far at least 2 and orders so far at least 2)) and" in said


def test_a_preset_is_taken_over_by_its_button(visitor: Visitor, shop: Service) -> None:
    """The form needs the session's stamp; afterwards the preset is a segment with a page, and its button is gone."""
    page = visitor.get("/segments?lang=en").text
    forms = re.findall(r'name="stamp" value="([^"]+)"><input type="hidden" name="preset" value="([^"]+)"', page)
    assert {key for _, key in forms} == {"vip", "high-value", "lapsed", "new"}
    assert visitor.post("/segments/presets", {"preset": "new"}).status_code == 403
    done = visitor.post("/segments/presets", {"preset": "new", "stamp": forms[0][0]})
    assert (done.status_code, done.headers["location"]) == (303, "/segments/new?done=preset")
    assert "The preset is now a segment." in visitor.get(f"{done.headers['location']}&lang=en").text
    assert 'value="new"' not in visitor.get("/segments").text
    assert shop.get("/v1/segments/new").json()["rule"] == {"attribute": "orders_count", "op": "eq", "value": 1}
    assert visitor.post("/segments/presets", {"preset": "gone", "stamp": forms[0][0]}).status_code == 422


def test_a_read_key_takes_nothing_over(shop: Service) -> None:
    """Who may only look sees no button."""
    reader = Visitor(shop)
    reader.sign_in(shop.new_key("read"))
    assert "<button" not in reader.get("/segments").text.partition("<main")[2]
