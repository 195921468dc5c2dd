"""The reference page says what the program has."""

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from offerlab.domain.decision import Reason
from support.find import ROOT
from support.sources import read

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reference.py"))


def test_each_setting_route_metric_and_code_has_its_entry() -> None:
    """The page is what `scripts/reference.py` makes of the program as it is; run it after a change."""
    reference: Callable[[], str] = SCRIPT["reference"]
    assert read(Path("docs/reference.md")) == reference()


def test_each_reason_is_explained() -> None:
    """No reason of a decision goes without its sentence, and no sentence without its reason."""
    assert set(SCRIPT["REASONS"]) == set(get_args(Reason))
