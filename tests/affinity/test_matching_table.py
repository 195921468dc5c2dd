"""The marketer's table, row by row."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offerlab.affinity.matching_table import BadRow, read_matching_table

SEED = """product,cross_sell,upsell
커피 머신,캡슐;필터,스마트 Wi-Fi 커피 머신
소프트웨어 기본판,플러그인,프리미엄판|추가 사용자
"""


def pairs(text: str) -> list[tuple[str, str, str, int]]:
    """What the table says, as plain tuples."""
    return [(r.sku, r.kind, r.target, r.rank) for r in read_matching_table(text).relations]


def test_the_seeds_table_comes_in_one_to_one() -> None:
    """The coffee machine has capsules, filters and the smart model; the software plugin, premium and users."""
    assert pairs(SEED) == [
        ("커피 머신", "complement", "캡슐", 1),
        ("커피 머신", "complement", "필터", 2),
        ("커피 머신", "upgrade", "스마트 Wi-Fi 커피 머신", 1),
        ("소프트웨어 기본판", "complement", "플러그인", 1),
        ("소프트웨어 기본판", "upgrade", "프리미엄판", 1),
        ("소프트웨어 기본판", "upgrade", "추가 사용자", 2),
    ]
    assert read_matching_table(SEED).bad_rows == ()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffproduct,cross_sell,upsell\nm,c;f,s\n",
        "Product , Cross_Sell,UPSELL\r\nm,c | f,s\r\n",
        "product\tcross_sell\tupsell\nm\tc;f\ts\n",
        "product;cross_sell;upsell\nm;c|f;s\n",
        'product,cross_sell,upsell\n"m","c;f","s"\n',
        "note,upsell,product,cross_sell\nhello,s,m,c;f;\n",
        "\n\nproduct,cross_sell,upsell\n\nm,c;f,s\n\n",
        "product,cross_sell,upsell\nm,c;f,s",
    ],
    ids=["byte order mark", "blanks and case", "tabs", "semicolons", "quotes", "columns", "blank lines", "no end"],
)
def test_every_spreadsheets_csv_is_read(text: str) -> None:
    """Marks, line ends, separators, quotes and the order of columns are the spreadsheet's choice."""
    assert pairs(text) == [("m", "complement", "c", 1), ("m", "complement", "f", 2), ("m", "upgrade", "s", 1)]


def test_half_a_row_is_enough() -> None:
    """A product may have only cross-sells or only upsells; missing cells are empty."""
    assert pairs("product,cross_sell,upsell\na,b\nc,,d\n") == [("a", "complement", "b", 1), ("c", "upgrade", "d", 1)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (",b,c", BadRow(3, "no_product", "")),
        ("x,,", BadRow(3, "no_match", "x")),
        ("x, ; | ,", BadRow(3, "no_match", "x")),
        ("x,x,c", BadRow(3, "matches_itself", "x")),
        ("x,b;b,", BadRow(3, "named_twice", "b")),
        ("ok,b,c", BadRow(3, "named_twice", "ok")),
        ("x,nowhere,c", BadRow(3, "unknown_product", "nowhere")),
        ("nobody,b,", BadRow(3, "unknown_product", "nobody")),
        ("x,b,c,too much", BadRow(3, "too_many_cells", "too much")),
    ],
    ids=lambda value: value.problem if isinstance(value, BadRow) else "",
)
def test_a_bad_row_is_told_with_its_line(rows: str, expected: BadRow) -> None:
    """A row that can't be taken is named by line and reason; the good rows around it are taken."""
    table = read_matching_table(
        f"product,cross_sell,upsell\nok,b,c\n{rows}\nlast,b,\n", known={"ok", "x", "b", "c", "last"}
    )
    assert table.bad_rows == (expected,)
    assert [(r.sku, r.target) for r in table.relations] == [("ok", "b"), ("ok", "c"), ("last", "b")]


def test_lines_are_counted_through_quoted_line_breaks() -> None:
    """A cell that runs over two lines moves the numbers of the rows below it."""
    table = read_matching_table('product,cross_sell,upsell\n"a\nb",c,\n,d,\n')
    assert table.bad_rows == (BadRow(4, "no_product", ""),)


def test_a_row_that_is_no_csv_ends_the_table() -> None:
    """What stands before a quote without its partner is taken; the quote is told with its line, nothing is guessed."""
    table = read_matching_table('product,cross_sell,upsell\na,b,\nc,"' + "d" * 200_000 + "\n")
    assert [(r.sku, r.target) for r in table.relations] == [("a", "b")]
    assert [(row.line, row.problem) for row in table.bad_rows] == [(3, "unreadable")]


@pytest.mark.parametrize(
    ("text", "missing"), [("", "product"), ("a,b,c\n", "product"), ("product,upsell\nm,s\n", "cross_sell")]
)
def test_a_table_without_its_columns_is_refused_as_a_whole(text: str, missing: str) -> None:
    """Without the three columns nothing is guessed."""
    table = read_matching_table(text)
    assert table.relations == ()
    assert [(row.problem, row.value) for row in table.bad_rows] == [("missing_column", missing)]


NAMES = st.text("aB9 ё필터-'/", min_size=1, max_size=4).map(str.strip).filter(bool)
CELLS = st.lists(NAMES, unique=True, max_size=3)


@given(st.dictionaries(NAMES, st.tuples(CELLS, CELLS), max_size=4))
def test_what_a_spreadsheet_wrote_is_what_we_read(table: dict[str, tuple[list[str], list[str]]]) -> None:
    """Any table written by a CSV writer comes back one to one (rows without matches or with themselves aside)."""
    rows = {
        sku: (cross, up) for sku, (cross, up) in table.items() if (cross or up) and sku not in cross and sku not in up
    }
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(["product", "cross_sell", "upsell"])
    writer.writerows([sku, ";".join(cross), "|".join(up)] for sku, (cross, up) in rows.items())
    expected = [
        (sku, kind, target, place)
        for sku, (cross, up) in rows.items()
        for kind, targets in (("complement", cross), ("upgrade", up))
        for place, target in enumerate(targets, 1)
    ]
    assert pairs(file.getvalue()) == expected
