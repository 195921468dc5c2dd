"""What may be known of a customer: typed attributes, and the few that need a reason.

An attribute that nobody registered is taken as it comes, unless its name says that it is sensitive: then a rule that
looks at it is refused until the shop has registered it with the purpose it is used for. Special categories of data
(health, belief, …) need the customers' explicit consent besides, and say so.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from offerlab.domain.segment import Condition, Rule, conditions, is_folded
from offerlab.errors import InvalidDefinition

AttributeType = Literal["number", "text", "boolean", "date", "list"]

SENSITIVE: Final = frozenset(
    (
        *("age", "birth_date", "birthday", "date_of_birth", "gender", "sex"),
        *("income", "household_income", "socio_economic_status", "education", "occupation", "marital_status"),
        *("credit_score", "nationality", "precise_location"),
    )
)
"""Names that are sensitive wherever they turn up: off until a purpose is recorded."""

SPECIAL: Final = frozenset(
    (
        *("health", "disability", "religion", "belief", "ethnicity", "race", "political_opinion", "trade_union"),
        *("sexual_orientation", "sex_life", "genetic", "biometric", "criminal_record"),
    )
)
"""Special categories: a purpose, and consent of their own."""

TOLD: Final = "tags"
"""The one name among the folded that customers' profiles tell themselves."""

_ORDERED: Final = frozenset(("lt", "lte", "gt", "gte"))
_FITS: Final[dict[AttributeType, frozenset[str]]] = {
    "number": frozenset(("eq", "ne", "in", "not_in", "exists", "within_days", *_ORDERED)),
    "text": frozenset(("eq", "ne", "in", "not_in", "exists", "contains", "starts_with")),
    "boolean": frozenset(("eq", "ne", "in", "not_in", "exists")),
    "date": frozenset(("eq", "ne", "exists", "within_days", "starts_with")),
    "list": frozenset(("in", "not_in", "exists", "contains")),
}


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute as the shop registered it.

    Attributes:
        sensitive: marks it; a sensitive name is so whatever is said here.
        purpose: what it is used for; a sensitive one without is used in no rule.
        explicit_consent: the shop holds the customers' own consent to this use (special categories).
        shown: whether people at the desk see it; a person's own export always has it.
    """

    name: str
    type: AttributeType | None = None
    sensitive: bool = False
    purpose: str | None = None
    explicit_consent: bool = False
    shown: bool = True

    @property
    def is_special(self) -> bool:
        """Whether it belongs to the special categories of data."""
        return self.name.casefold() in SPECIAL

    @property
    def is_sensitive(self) -> bool:
        """Whether its use needs a purpose."""
        return self.sensitive or self.is_special or self.name.casefold() in SENSITIVE


def check_attribute(attribute: Attribute) -> None:
    """Refuse an attribute that can't be registered.

    Raises:
        InvalidDefinition: names the field at fault.
    """
    if is_folded(attribute.name) and attribute.name != TOLD:
        raise InvalidDefinition(f"{attribute.name!r} is folded from events, nobody sends it", field="name")
    if attribute.is_sensitive and not (attribute.purpose or "").strip():
        raise InvalidDefinition(f"{attribute.name!r} is sensitive: say what it is used for", field="purpose")
    if attribute.is_special and not attribute.explicit_consent:
        raise InvalidDefinition(
            f"{attribute.name!r} is a special category of data: it needs the customers' explicit consent",
            field="explicit_consent",
        )


def check_rule(rule: Rule, registered: Mapping[str, Attribute], *, field: str = "rule") -> None:
    """Refuse a rule that looks at a sensitive attribute without a purpose, or asks a type what it can't answer.

    Raises:
        InvalidDefinition: names the attribute and what to do.
    """
    for condition in conditions(rule):
        attribute = registered.get(condition.attribute, Attribute(name=condition.attribute))
        if attribute.is_sensitive and not attribute.purpose:
            raise InvalidDefinition(
                f"{attribute.name!r} is sensitive and off until it is registered with its purpose",
                field=field,
                extra={"attribute": attribute.name},
            )
        _check_type(condition, attribute, field)


def _check_type(condition: Condition, attribute: Attribute, field: str) -> None:
    if attribute.type is None:
        return
    if condition.op not in _FITS[attribute.type]:
        raise InvalidDefinition(f"{condition.op!r} can't be asked of a {attribute.type}", field=field)
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.op in ("exists", "within_days") or _all_of(attribute.type, values):
        return
    raise InvalidDefinition(f"{attribute.name!r} is a {attribute.type}, {condition.value!r} is none", field=field)


def _all_of(kind: AttributeType, values: Iterable[object]) -> bool:
    if kind == "boolean":
        return all(isinstance(value, bool) for value in values)
    if kind == "number":
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return all(isinstance(value, str) for value in values) or kind == "list"


def withheld(names: Iterable[str], registered: Mapping[str, Attribute]) -> frozenset[str]:
    """Attributes that nobody at the desk sees: sensitive ones without a purpose, and those marked so."""
    found: set[str] = set()
    for name in names:
        attribute = registered.get(name, Attribute(name=name))
        if not attribute.shown or (attribute.is_sensitive and not attribute.purpose):
            found.add(name)
    return frozenset(found)
