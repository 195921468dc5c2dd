"""`offerlab power` and `offerlab simulate`: the public functions from a shell."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import offerlab
from offerlab.cli import cli
from offerlab.errors import InvalidPlan


def _run(*words: str) -> str:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_power_says_what_the_function_says() -> None:
    """Options are the function's arguments."""
    told = _run("power", "6.5", "--sd", "60", "--mde", "0.4", "--absolute", "--weights", "2,1,1", "--per-day", "900")
    plan = offerlab.power(6.5, sd=60, mde=0.4, relative=False, weights=(2, 1, 1), customers_per_day=900)
    assert told == f"{plan}\n"


def test_a_week_and_a_first_day_give_dates() -> None:
    """Seven numbers are a week from Monday on."""
    week = "1500,1500,1400,1300,1800,2000,900"
    told = _run("power", "0.1", "--mde", "0.1", "--sequential", "group", "--per-day", week, "--starts-on", "2026-03-02")
    assert "3 weeks" in told
    assert "until 2026-03-22" in told


def test_wrong_words_are_refused() -> None:
    """What is no list of numbers is a usage error; what is no plan has the function's own error."""
    done = CliRunner().invoke(cli, ["power", "0.1", "--weights", "one,two"])
    assert done.exit_code == 2
    assert "not a list of numbers" in done.output
    with pytest.raises(InvalidPlan, match="give two"):
        _run("power", "0.1")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_simulate_holds_estimates_against_the_truth(tmp_path: Path, suffix: str) -> None:
    """The true lifts are printed beside the ranges; the customers can be kept."""
    file = tmp_path / f"crowd.{suffix}"
    told = _run("simulate", "--customers", "4000", "--acceptance", "0.5", "--seed", "1", "--output", str(file))
    assert "true lift of acceptance_rate: +50.00%, inside its range" in told
    assert "revenue_per_customer" in told
    assert len(pd.read_csv(file) if suffix == "csv" else pd.read_parquet(file)) == 8_000
