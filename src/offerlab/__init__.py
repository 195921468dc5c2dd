"""OfferLab: which cross-sell and upsell offer to make to whom, and proof that it worked."""

import atexit
import gc
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offerlab.client.http import Client
    from offerlab.frames.adaptive import adaptive
    from offerlab.frames.analysis import analyze
    from offerlab.frames.factors import factorial
    from offerlab.frames.metrics import Mean, Proportion, Quantile, Ratio, Return, Statistic
    from offerlab.frames.prediction import learn
    from offerlab.reader import open_report
    from offerlab.simulate import simulate
    from offerlab.stats.planning import outlook, power

__version__ = "0.1.0"
__all__ = [
    "Client",
    "Mean",
    "Proportion",
    "Quantile",
    "Ratio",
    "Return",
    "Statistic",
    "adaptive",
    "analyze",
    "factorial",
    "learn",
    "open_report",
    "outlook",
    "power",
    "simulate",
]

_HOMES = {
    "Client": "offerlab.client.http",
    "Mean": "offerlab.frames.metrics",
    "Proportion": "offerlab.frames.metrics",
    "Quantile": "offerlab.frames.metrics",
    "Ratio": "offerlab.frames.metrics",
    "Return": "offerlab.frames.metrics",
    "Statistic": "offerlab.frames.metrics",
    "adaptive": "offerlab.frames.adaptive",
    "analyze": "offerlab.frames.analysis",
    "factorial": "offerlab.frames.factors",
    "learn": "offerlab.frames.prediction",
    "open_report": "offerlab.reader",
    "outlook": "offerlab.stats.planning",
    "power": "offerlab.stats.planning",
    "simulate": "offerlab.simulate",
}
"""Where the public names live: they are imported when first used, so that a start pays for none of them."""

# msgspec's decoders can crash in the collection that ends the interpreter (its issue 717): leave it nothing to do.
atexit.register(gc.freeze)

if not TYPE_CHECKING:  # a module that may have any name would hide misspelt ones from the type checkers

    def __getattr__(name: str) -> object:
        """A public name, from its room."""
        if name not in _HOMES:
            raise AttributeError(f"module 'offerlab' has no attribute {name!r}")
        home = import_module(_HOMES[name])
        return home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)
