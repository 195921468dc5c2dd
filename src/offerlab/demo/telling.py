"""The demo's last words: the report in the terminal, what was planted beside what was found, and where to go on."""

from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from offerlab.demo.shoppers import Planted
from offerlab.reporting.formats import as_markdown
from offerlab.reporting.report import Effect, Report

SOURCE: Final = (
    "Data: a quarter of the UCI Online Retail data set (Daqing Chen, 2015, doi 10.24432/C5BW33), CC BY 4.0. "
    "Catalogue, history and baskets are real; who buys, takes an offer or gives it back is planted."
)


def tell(console: Console, report: Report, planted: Sequence[Planted], *, url: str, key: str) -> None:
    """Print the report, the planted effects and the next steps."""
    console.print()
    console.print(as_markdown(report), markup=False, highlight=False)
    console.print(_planted_table(report, planted))
    console.print("One 95 % range in twenty misses what was planted; that is what 95 % means.")
    console.print(f"\n{SOURCE}", markup=False, highlight=False)
    console.print(f"\nDashboard   {url}/experiments/{report.experiment}", markup=False)
    console.print(f"Sign in     {key}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"Report      curl -H 'Authorization: Bearer {key}' {url}/v1/experiments/{report.experiment}/report",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _planted_table(report: Report, planted: Sequence[Planted]) -> Table:
    title = "Planted and found: effect per customer against control"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("metric", "arm", "planted", "found", "95 % range", "inside"):
        table.add_column(name, justify="left" if name in ("metric", "arm") else "right")
    effects = {(metric.metric, effect.variant): effect for metric in report.metrics for effect in metric.effects}
    for one in planted:
        for metric, truth in one.effects.items():
            found = effects.get((metric, one.arm))
            if found is not None:
                table.add_row(metric, one.arm, f"{truth:+.3f}", *_found(found, truth))
    return table


def _found(effect: Effect, truth: float) -> tuple[str, str, str]:
    absolute = effect.absolute
    if absolute is None:
        reason = effect.undetermined.detail if effect.undetermined is not None else "not said"
        return "–", "–", reason
    lower = float("-inf") if absolute.lower is None else absolute.lower
    upper = float("inf") if absolute.upper is None else absolute.upper
    inside = "yes" if lower <= truth <= upper else "no"
    return f"{absolute.estimate:+.3f}", f"{lower:+.3f} to {upper:+.3f}", inside
