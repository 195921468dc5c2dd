"""P4: what an advertisement to Korea carries, added where the author left it out."""

import pytest

from offerlab.domain.project import Advertiser
from offerlab.errors import InvalidDefinition
from offerlab.messaging.advert import advertise, check_advertiser, has_opt_out
from offerlab.messaging.render import Rendered

SHOP = Advertiser(name="오퍼랩", contact="02-123-4567", opt_out="080-123-4567")
FOOT = "오퍼랩 02-123-4567\n무료 수신거부: 080-123-4567"


@pytest.mark.parametrize(
    ("words", "labelled"),
    [
        (Rendered("할인", "내용", "", "ko"), Rendered("(광고) 할인", f"내용\n{FOOT}", "", "ko")),
        (Rendered("", "내용", "", "ko"), Rendered("", f"(광고) 내용\n{FOOT}", "", "ko")),
        (Rendered("(광고) 할인", f"내용\n{FOOT}", "", "ko"), Rendered("(광고) 할인", f"내용\n{FOOT}", "", "ko")),
        (
            Rendered("Sale", "Text", "", "en"),
            Rendered("(광고) Sale", "Text\n오퍼랩 02-123-4567\nUnsubscribe free of charge: 080-123-4567", "", "en"),
        ),
    ],
    ids=["title", "body only", "complete", "english"],
)
def test_label_sender_and_way_out_are_added_once(words: Rendered, labelled: Rendered) -> None:
    """Label first, sender and free opt-out last, nothing twice."""
    assert advertise(words, SHOP) == labelled
    assert advertise(advertise(words, SHOP), SHOP) == labelled
    assert has_opt_out(labelled.body)


@pytest.mark.parametrize(
    ("name", "contact", "opt_out", "field"),
    [
        ("", "x", "080-123-4567", "advertiser.name"),
        ("x", "a\nb", "080-123-4567", "advertiser.contact"),
        ("x", "x", "02-123-4567", "advertiser.opt_out"),
        ("x", "x", "javascript:x", "advertiser.opt_out"),
    ],
)
def test_an_advertiser_says_who_and_how_to_leave(name: str, contact: str, opt_out: str, field: str) -> None:
    """A blank, a second line or a way out that costs money is refused with its field."""
    with pytest.raises(InvalidDefinition) as refused:
        check_advertiser(Advertiser(name=name, contact=contact, opt_out=opt_out))
    assert refused.value.field == field


@pytest.mark.parametrize("opt_out", ["080-123-4567", "0801234567", "080)123-4567", "https://shop.example/stop"])
def test_free_ways_out_are_taken(opt_out: str) -> None:
    """080 numbers in any spelling and links are free."""
    check_advertiser(Advertiser(name="x", contact="y", opt_out=opt_out))
