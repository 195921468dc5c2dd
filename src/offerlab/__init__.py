"""OfferLab: which cross-sell and upsell offer to make to whom, and proof that it worked."""

__version__ = "0.1.0"
