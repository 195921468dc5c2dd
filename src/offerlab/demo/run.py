"""`offerlab demo`: the main job from one command, on real data, through the real HTTP API.

The service runs in this process on a clock that starts four weeks ago; everything the shop, the marketer and the
storefront do goes over HTTP. Then the clock is today's, the report is read, and service and dashboard stay up.
"""

import asyncio
import secrets
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from offerlab.demo.clock import DemoClock
from offerlab.demo.defining import EXPERIMENT, define_catalogue, define_experiment, define_offers, send_history
from offerlab.demo.replay import replay
from offerlab.demo.shop import CURRENCY, load
from offerlab.demo.shoppers import Planted, draw_shoppers, planted_effects
from offerlab.demo.stage import CUT, DAYS, Demo, free_port, make_empty, progress_bars, serving
from offerlab.reporting.report import Report
from offerlab.settings import Settings
from offerlab.workflows.reading import read_report

SEED: Final = 20_261_122


def run_demo(folder: Path, *, port: int, shoppers: int, stay: bool, console: Console) -> Report:
    """Run the demo.

    Args:
        folder: emptied first; refuses one that is not the demo's.
        port: to listen on; the next free one when it is taken.
        shoppers: how many walk in.
        stay: keep serving until Ctrl-C.
        console: where it speaks.

    Raises:
        Misconfigured: the folder holds something else, or the service refused a step.
    """
    make_empty(folder)
    clock = DemoClock()
    settings = Settings(
        data_dir=folder,
        currency=CURRENCY,
        admin_key=f"ol_admin_{secrets.token_urlsafe(32)}",
        port=free_port(port),
        state_timeout_ms=5_000,  # a busy machine answers late, but answers the same
    )
    with progress_bars(console) as progress, serving(settings, clock) as app:
        demo = Demo(app, clock, f"http://127.0.0.1:{settings.port}", settings.admin_key or "", progress)
        report, planted = _play(demo, shoppers)
        progress.stop()
        _tell(console, demo, report, planted)
        if stay:
            console.print("\nCtrl-C ends the demo.")
            _until_told()
            console.print("\nThe demo has ended; its data stay in", str(folder))
    return report


def _until_told() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    told = threading.Event()

    def tell_us(_number: int, _frame: object) -> None:
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell_us)
    while not told.wait(1):
        pass


def _play(demo: Demo, count: int) -> tuple[Report, list[Planted]]:
    step = demo.progress.add_task("real catalogue and orders", total=1)
    shop = load()
    demo.progress.advance(step)
    define_catalogue(demo, shop)
    send_history(demo, [order for order in shop.orders if order.occurred_at < CUT])
    demo.clock.set(demo.start)
    treats = define_offers(demo, shop)
    countries = {customer.customer_id: customer.country for customer in shop.customers}
    shoppers = draw_shoppers(shop.orders, countries, since=CUT, count=count, days=DAYS, seed=SEED)
    shoppers = [shopper for shopper in shoppers if shopper.basket]
    define_experiment(demo, shoppers)
    asyncio.run(replay(demo, shoppers, treats))
    demo.clock.catch_up()
    step = demo.progress.add_task("significance report", total=1)
    report = read_report(demo.app.runtime, demo.app.runtime.projects()[0].id, EXPERIMENT)
    demo.progress.advance(step)
    return report, planted_effects(shoppers, treats)


def _tell(console: Console, demo: Demo, report: Report, planted: Sequence[Planted]) -> None:
    from offerlab.demo.telling import tell  # noqa: PLC0415 - rich tables only at the end

    tell(console, report, planted, url=demo.url, key=demo.key)
