"""Layers: experiments that must not meet in one customer share a layer and own different slots of it."""

from msgspec import Struct


class Layer(Struct, frozen=True, kw_only=True):
    """Traffic that is dealt out once.

    Attributes:
        salt: random, drawn once; a customer's slot of the layer is the hash of it and the unit.
    """

    key: str
    salt: str
    name: str = ""
