"""OfferLab: which cross-sell and upsell offer to make to whom, and proof that it worked."""
