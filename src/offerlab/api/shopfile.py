"""A whole shop in one file: the four steps as definitions, as they are written down."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from offerlab.api.body import decode
from offerlab.api.experiment_requests import NewExperiment
from offerlab.api.requests import (
    NewAttribute,
    NewLayer,
    NewMetric,
    NewOffer,
    NewProduct,
    NewRelation,
    NewSegment,
    Prose,
)
from offerlab.domain.presets import PresetKey

FILE_LIMIT: Final = 20_000_000


class ShopExperiment(NewExperiment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment, and whether it is to run."""

    start: bool = False


class ShopFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shop's definitions, by step. Every part may be absent.

    Attributes:
        currency: must be the project's, where it is said. settings: those that differ from what is stored.
        presets: segments with limits from the shop's own buyers; one that stands already is left as it is.
        matching: the table `product,cross_sell,upsell` as text; with `relations` it replaces all curated ones.
    """

    currency: str | None = None
    settings: dict[str, object] = {}
    attributes: tuple[NewAttribute, ...] = ()
    presets: tuple[PresetKey, ...] = ()
    segments: tuple[NewSegment, ...] = ()
    products: Annotated[tuple[NewProduct, ...], Meta(max_length=100_000)] = ()
    matching: Prose | None = None
    relations: tuple[NewRelation, ...] = ()
    offers: tuple[NewOffer, ...] = ()
    layers: tuple[NewLayer, ...] = ()
    metrics: tuple[NewMetric, ...] = ()
    experiments: tuple[ShopExperiment, ...] = ()


_DECODER: Final = msgspec.json.Decoder(ShopFile)


def read_shop(body: bytes) -> ShopFile:
    """A shop file from JSON.

    Raises:
        Malformed, InvalidInput: as for any other body; the field at fault is named.
    """
    return decode(body, _DECODER)
