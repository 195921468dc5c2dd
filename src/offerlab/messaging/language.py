"""The part of Liquid that a message may use, and its limits.

A message is written by one person and read by another: it needs names, a choice and a short list. So there is no
loader, no include, no raw block, no clock (`now` is refused) and no filter that multiplies text. python-liquid's
limits hold loops, output and local names; they do not hold what happens before a loop is entered (a reversed range
of 10^9 is a list first), so ranges are refused, and the work of a whole template is bounded in advance by counting
its steps (`messaging.survey`). Together they keep the dearest template that is accepted below 50 ms, which no clock
has to watch.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from liquid import Environment, FalsyStrictUndefined, RenderContext
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import PositionalArgument, StringLiteral
from liquid.builtin.filters import array, math, misc, string
from liquid.builtin.tags import assign_tag, case_tag, comment_tag, for_tag, if_tag, unless_tag
from liquid.exceptions import FilterArgumentError, LiquidSyntaxError, OutputStreamLimitError
from liquid.token import Token
from liquid.undefined import Undefined

from offerlab.domain.money import check_currency
from offerlab.errors import InvalidInput
from offerlab.messaging.currency import format_money
from offerlab.messaging.particles import attach, pair_named

MAX_SOURCE: Final = 5_000
"""Characters of one template."""
MAX_TAGS: Final = 200
"""Values and tags of one template."""
MAX_TAG: Final = 500
"""Characters between two delimiters."""
MAX_OUTPUT: Final = 64 * 1024
"""Bytes of one rendered text."""
MAX_ROUNDS: Final = 100
"""Rounds of all nested loops together."""
MAX_STEPS: Final = 2_000
"""Nodes, filters and names a template evaluates at most (those in a loop count `MAX_ROUNDS` times)."""
_MAX_VALUE: Final = 16 * 1024
_MAX_NUMBER: Final = 10**18

Filter = Callable[..., object]

_TAGS: Final = (
    content.Literal,
    output.Output,
    illegal.Illegal,
    if_tag.IfTag,
    unless_tag.UnlessTag,
    case_tag.CaseTag,
    for_tag.ForTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    assign_tag.AssignTag,
    comment_tag.CommentTag,
)
_FILTERS: Final[dict[str, Filter]] = {
    "abs": math.abs_,
    "append": string.append,
    "at_least": math.at_least,
    "at_most": math.at_most,
    "capitalize": string.capitalize,
    "ceil": math.ceil,
    "default": misc.default,
    "divided_by": math.divided_by,
    "downcase": string.downcase,
    "first": array.first,
    "floor": math.floor,
    "join": array.join,
    "last": array.last,
    "minus": math.minus,
    "plus": math.plus,
    "prepend": string.prepend,
    "round": math.round_,
    "size": misc.size,
    "strip": string.strip,
    "times": math.times,
    "truncate": string.truncate,
    "upcase": string.upcase,
}


class EmptyValue(FilterArgumentError):
    """A value marked `must_have` is empty: the message must not be sent without it."""


class _Bounded:
    """A filter whose result stays small and whose failures are Liquid's own."""

    def __init__(self, function: Filter) -> None:
        self.function = function
        self.with_environment = getattr(function, "with_environment", False)  # Liquid reads it to pass the environment

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            value = self.function(*args, **kwargs)
        except (ArithmeticError, ValueError, IndexError) as broken:
            raise FilterArgumentError(f"a filter can't take this value: {broken}", token=None) from broken
        if isinstance(value, str) and len(value) > _MAX_VALUE:
            raise OutputStreamLimitError("a value grew too long", token=None)
        if isinstance(value, int | float) and not -_MAX_NUMBER < value < _MAX_NUMBER:
            raise OutputStreamLimitError("a number grew too large", token=None)
        return value


def _must_have(value: object) -> object:
    """The value, if it says anything.

    Raises:
        EmptyValue: it is missing, empty or blank; the message is then not sent.
    """
    if value is None or isinstance(value, Undefined) or (isinstance(value, str) and not value.strip()):
        raise EmptyValue("a required value is missing", token=None)
    if isinstance(value, list | tuple | dict) and not value:
        raise EmptyValue("a required list is empty", token=None)
    return value


class _Josa:
    """`{{ offer.name | josa: '을/를' }}`: the value with the particle that fits it."""

    def __call__(self, value: object, pair: str) -> str:
        return attach(str(value), pair)

    def validate(self, _env: Environment, token: Token, _name: str, args: list[object]) -> None:
        """Refuse, when the template is read, a pair that nobody knows."""
        literal = _only_literal(args)
        if literal is None:
            raise LiquidSyntaxError("josa names its pair, for example josa: '을/를'", token=token)
        try:
            pair_named(literal)
        except InvalidInput as unknown:
            raise LiquidSyntaxError(unknown.detail, token=token) from unknown


def _only_literal(args: list[object]) -> str | None:
    """The one literal text a filter is called with, if that is how it is called."""
    match args:
        case [PositionalArgument(value=StringLiteral(value=str(text)))]:
            return text
        case _:
            return None


class _Money:
    """`{{ saving | money }}`: an amount in major units in the reader's language.

    In the project's currency, unless one is named: `{{ saving | money: 'KRW' }}`.
    """

    with_context = True

    def __call__(self, value: object, currency: object = None, *, context: RenderContext) -> str:
        names = context.globals
        return format_money(_amount(value), str(currency or names["currency"]), str(names["money_locale"]))

    def validate(self, _env: Environment, token: Token, _name: str, args: list[object]) -> None:
        """Refuse, when the template is read, a literal that is no currency."""
        literal = _only_literal(args)
        if literal is None:
            return
        try:
            check_currency(literal)
        except InvalidInput as unknown:
            raise LiquidSyntaxError(unknown.detail, token=token) from unknown


def _amount(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise FilterArgumentError("money needs an amount", token=None)
    try:
        amount = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as broken:
        raise FilterArgumentError(f"{value!r} is not an amount", token=None) from broken
    if not amount.is_finite() or abs(amount) >= _MAX_NUMBER:
        raise FilterArgumentError(f"{value!r} is not an amount", token=None)
    return amount


class MessageLanguage(Environment):
    """Liquid, cut down to what a message needs."""

    block_nesting_limit = 10
    context_depth_limit = 15
    loop_iteration_limit = MAX_ROUNDS
    local_namespace_limit = 4 * 1024
    output_stream_limit = MAX_OUTPUT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register our tags and filters instead of Liquid's."""
        del extra
        for tag in _TAGS:
            self.add_tag(tag)
        for name, function in _FILTERS.items():
            self.add_filter(name, _Bounded(function))
        self.add_filter("must_have", _must_have)
        self.add_filter("josa", _Josa())
        self.add_filter("money", _Money())


LANGUAGE: Final = MessageLanguage(undefined=FalsyStrictUndefined)
"""The one environment; it holds no state between renders."""
