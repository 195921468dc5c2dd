"""What a template will do, read off its tree before it ever runs: the names it uses and the work it can cause."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from msgspec import Struct

from offerlab.errors import InvalidDefinition
from offerlab.messaging.context import FIELDS, Path
from offerlab.messaging.language import LANGUAGE, MAX_ROUNDS, MAX_SOURCE, MAX_STEPS, MAX_TAG, MAX_TAGS
from offerlab.messaging.particles import mark

_ROOTS: Final = frozenset(path[0] for path in FIELDS) | {"customer"}
_WHOLE: Final = frozenset((("trigger",), ("base",), ("offer",)))
"""Things that may be named without a field: to ask whether they are there, or to print their name."""
_RESERVED: Final = _ROOTS | {"now", "today", "forloop", "money_locale", "partial"}
_LIST_FIELDS: Final = frozenset(("size", "first", "last"))
_RAW: Final = re.compile(r"\{%-?\s*raw\b")
_CUSTOMER_DEPTH: Final = 2
_SHOWN: Final = 60
_DELIMITER: Final = re.compile(r"\{\{|\}\}|\{%|%\}")
_GAP: Final = re.compile(r"\s{20}")
_PARTNERS: Final = {"{{": "}}", "{%": "%}"}


class Survey(Struct, frozen=True):
    """What was read off one template.

    Attributes:
        names: paths of the context that it uses, such as ("offer", "name").
        steps: nodes, filters and names evaluated at most.
    """

    names: frozenset[Path]
    steps: int


def read_template(source: str, *, field: str) -> tuple[BoundTemplate, Survey]:
    """Parse one template and survey it.

    Args:
        source: Liquid text of at most `MAX_SOURCE` characters.
        field: its path, for errors: message.ko.body.

    Raises:
        InvalidDefinition: not Liquid, a tag, filter or name that messages do not know, or more work than the limits
            allow.
    """
    if len(source) > MAX_SOURCE:
        raise InvalidDefinition(f"a text has at most {MAX_SOURCE:,} characters, this one {len(source):,}", field=field)
    _check_delimiters(source, field)
    try:
        template = LANGUAGE.from_string(mark(source))
        survey = _survey(template, field)
    except LiquidError as broken:
        raise InvalidDefinition(f"the template can't be read: {broken.message}", field=field) from broken
    except RecursionError as deep:
        raise InvalidDefinition("the template is nested too deeply", field=field) from deep
    if survey.steps > MAX_STEPS:
        raise InvalidDefinition(
            f"the template can take {survey.steps:,} steps, the limit is {MAX_STEPS:,} "
            f"(whatever stands in a loop counts {MAX_ROUNDS} times)",
            field=field,
        )
    return template, survey


def _check_delimiters(source: str, field: str) -> None:
    """Refuse what Liquid's own scanner takes seconds to refuse: it is quadratic and worse in unclosed delimiters.

    Raises:
        InvalidDefinition: a delimiter without its partner, more than `MAX_TAGS` of them, or one longer than `MAX_TAG`.
    """
    if _RAW.search(source):
        raise InvalidDefinition("the tag 'raw' has no use in a message", field=field)
    found = list(_DELIMITER.finditer(source))
    for opening, closing in zip(found[::2], (*found[1::2], None), strict=False):
        if closing is None or _PARTNERS.get(opening[0]) != closing[0]:
            near = source[opening.start() : opening.start() + 20]
            raise InvalidDefinition(f"{opening[0]!r} has no partner near {near!r}", field=field)
        if _GAP.search(source, opening.end(), closing.start()):
            raise InvalidDefinition(f"a long gap stands inside {opening[0]!r} and {closing[0]!r}", field=field)
        if closing.start() - opening.end() > MAX_TAG:
            raise InvalidDefinition(
                f"between {opening[0]!r} and {closing[0]!r} stand over {MAX_TAG} characters", field=field
            )
    if len(found) > 2 * MAX_TAGS:
        raise InvalidDefinition(f"a text has at most {MAX_TAGS} values and tags", field=field)


def _survey(template: BoundTemplate, field: str) -> Survey:
    static = RenderContext(template)
    steps = 0
    for node, in_loop in _nodes(template.nodes, static):
        weight = MAX_ROUNDS if in_loop else 1
        if isinstance(node, BreakNode | ContinueNode) and not in_loop:
            raise InvalidDefinition(f"'{node}' stands outside a loop", field=field)
        steps += weight
        for identifier in (*node.template_scope(), *node.block_scope()):
            if str(identifier) in _RESERVED and str(identifier) != "forloop":
                raise InvalidDefinition(
                    f"{str(identifier)!r} has a meaning of its own, choose another name", field=field
                )
        for expression in node.expressions():
            steps += weight * _steps(expression, field)
    return Survey(names=frozenset(_names(template, field)), steps=steps)


def _nodes(nodes: Iterable[Node], static: RenderContext, *, in_loop: bool = False) -> Iterator[tuple[Node, bool]]:
    for node in nodes:
        yield node, in_loop
        inner = in_loop or isinstance(node, ForNode)
        yield from _nodes(node.children(static), static, in_loop=inner)


def _steps(expression: Expression, field: str) -> int:
    """Names, literals and filters of one expression; ranges are refused, filters checked."""
    if isinstance(expression, RangeLiteral):
        raise InvalidDefinition(
            f"a message counts no ranges; loop over a list (at most {MAX_ROUNDS} rounds)", field=field
        )
    steps = 1
    if isinstance(expression, FilteredExpression):
        for used in expression.filters or ():
            used.validate_filter_arguments(LANGUAGE)
            steps += 1
    return steps + sum(_steps(child, field) for child in expression.children())


def _names(template: BoundTemplate, field: str) -> Iterator[Path]:
    for variables in template.analyze().globals.values():
        for variable in variables:
            yield _known(variable.segments, str(variable), field)


def _known(segments: Sequence[object], written: str, field: str) -> Path:
    """The context path that `segments` lead to.

    Raises:
        InvalidDefinition: there is none, or it is computed while rendering.
    """
    path = tuple(segment for segment in segments if isinstance(segment, str | int))
    if len(path) == len(segments):
        if path[0] == "customer" and len(path) >= _CUSTOMER_DEPTH:
            return "customer", str(path[1])
        while path not in FIELDS and len(path) > 1 and (isinstance(path[-1], int) or path[-1] in _LIST_FIELDS):
            path = path[:-1]
        known = tuple(str(segment) for segment in path)
        if known in FIELDS or known in _WHOLE:
            return known
    raise InvalidDefinition(f"no field is named {written[:_SHOWN]!r}{_hint(written[:_SHOWN])}", field=field)


def _hint(written: str) -> str:
    known = sorted(".".join(path) for path in FIELDS)
    close = difflib.get_close_matches(written, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
