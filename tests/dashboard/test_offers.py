"""The pages of offers: without script, in both languages, each text as a customer would meet it."""

import re
from collections.abc import Iterator

import pytest

from dashboard.visitor import Text, Visitor
from offerlab.dashboard.frame import POLICY
from support.service import AT_CHECKOUT, CAPSULES, COFFEE, Service

PATHS = ("/offers", "/offers/capsules", "/offers/nowhere")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two offers: one in two languages, one that greets by a name that strangers lack."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('offers') / 'offerlab.sqlite'}")
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", CAPSULES)
    texts = {"ko": {"title": "<b>{{ customer.nickname }}</b>님", "body": "{{ offer.name }}"}}
    service.made("/v1/offers", {**CAPSULES, "key": "greeting", "message": texts})
    told = {"nickname": "민지"}
    service.send({"id": "p", "type": "profile", "customer_id": "c1", "attributes": told})
    yield service
    service.close()


@pytest.fixture
def visitor(shop: Service) -> Visitor:
    """Somebody with an admin key."""
    known = Visitor(shop)
    known.sign_in()
    return known


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("path", PATHS)
def test_offer_pages_keep_the_policy(visitor: Visitor, path: str, language: str) -> None:
    """No inline style or script, one first heading, the language named, the policy sent."""
    answer = visitor.get(f"{path}?lang={language}")
    page = Text(answer.text)
    assert answer.headers["content-security-policy"] == POLICY
    assert (page.forbidden, page.tags.count("h1")) == ([], 1)
    assert f'<html lang="{language}">' in answer.text
    assert answer.status_code == (404 if path.endswith("nowhere") else 200)


def test_an_offer_is_shown_in_both_languages(visitor: Visitor) -> None:
    """Title, words and prices of each text, and the lint's remarks in the reader's language."""
    said = Text(visitor.get("/offers/capsules?lang=en").text).text
    assert "캡슐 세트 20% 할인" in said
    assert "커피 머신을 구매하셨나요?" in said
    assert "캡슐 세트: 20% off" in said
    assert said.count("캡슐 세트 ₩18,000 → ₩14,400") == 2
    assert "Benefit money saved" in " ".join(said.split())
    assert "혜택 비용 절약" in " ".join(Text(visitor.get("/offers/capsules?lang=ko").text).text.split())
    remarks = Text(visitor.get("/offers/greeting?lang=en").text).text
    assert "Customers without this detail see no offer" in remarks
    assert "이 정보가 없는 고객에게는" in Text(visitor.get("/offers/greeting?lang=ko").text).text


def test_a_real_customer_is_greeted_by_name(visitor: Visitor) -> None:
    """With a customer id it is their own text, escaped; without the detail the page says why there are no words."""
    own = visitor.get("/offers/greeting?customer=c1&lang=en")
    assert "&lt;b&gt;민지&lt;/b&gt;님" in own.text
    assert re.search(r"<b>민지", own.text) is None
    nobody = Text(visitor.get("/offers/greeting?customer=c2&lang=en").text).text
    assert "No words for this customer" in nobody


def test_the_list_names_every_offer(visitor: Visitor) -> None:
    """Key, kind, products and discount of each."""
    said = Text(visitor.get("/offers?lang=en").text).text
    for part in ("capsules", "greeting", "Cross-sell", "캡슐 세트: 20% off", "Cross-sell"):
        assert part in said


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An offer that 100 customers could meet: a quarter of the treated takes it, the rest declines; and a successor."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('tried') / 'offerlab.sqlite'}")
    service.coffee_shop(metrics={"primary": "acceptance_rate", "secondary": ["need_fit_rate"]})
    events: list[dict[str, object]] = []
    for i in range(100):
        name = f"c-{i}"
        if service.decide(name, context=AT_CHECKOUT, expose=True)["decisions"][0]["variant"] == "control":
            continue
        if i % 4:
            why = {"reason": "too expensive"} if i % 4 == 1 else {}
            events.append({"id": f"n{i}", "type": "offer_declined", "customer_id": name, **ABOUT, **why})
        else:
            lines = [{"sku": "capsule-set", "unit_price": "18000"}]
            events.append({"id": f"o{i}", "type": "order", "customer_id": name, "order_id": name, "lines": lines})
    service.send(*events)
    service.get("/v1/experiments/coffee-addon/report")
    service.made("/v1/offers", {**CAPSULES, "key": "capsules-2", "replaces": "capsules"})
    yield service
    service.close()


ABOUT = {"experiment": "coffee-addon", "variant": "capsules-20", "offer": "capsules"}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("Results so far", "coffee-addon · capsules-20", "no reason given", "Followed by", "capsules-2", "Running"),
        ),
        (
            "ko",
            ("지금까지 결과", "coffee-addon · capsules-20", "이유를 말하지 않음", "다음 제안", "capsules-2", "진행 중"),
        ),
    ],
)
def test_an_offer_shows_how_it_did_and_what_followed(tried: Service, language: str, words: tuple[str, ...]) -> None:
    """Customers, acceptance, declines with their most frequent reasons, and the lineage, as the API has them."""
    visitor = Visitor(tried)
    visitor.sign_in()
    (result,) = tried.get("/v1/offer-results").json()["items"]
    page = visitor.get(f"/offers/capsules?lang={language}").text
    said = Text(page).text
    for part in (
        *words,
        str(result["customers"]),
        str(result["declines"]),
        f"too expensive ({result['reasons'][-1]['n']}",
    ):
        assert part in said, part
    assert Text(page).forbidden == []
    assert "capsules" in Text(visitor.get(f"/offers/capsules-2?lang={language}").text).text
    assert {"en": "No report", "ko": "아직 읽지 않았어요"}[language] in visitor.get(
        f"/offers/capsules-2?lang={language}"
    ).text


def test_the_lowest_offers_come_first_with_their_reasons(tried: Service) -> None:
    """An offer that 40 customers met is ranked with its reasons; one that fewer met is not."""
    visitor = Visitor(tried)
    visitor.sign_in()
    (result,) = tried.get("/v1/offer-results").json()["items"]
    assert result["customers"] >= 40
    assert result["need_fit_rate"] == result["acceptance_rate"] > 0
    page = visitor.get("/offers?lang=en").text
    lowest = page[page.index('id="lowest"') :]
    assert "coffee-addon · capsules-20" in lowest
    assert "too expensive (" in lowest
    assert "capsules-2" not in lowest.replace("capsules-20", "")
