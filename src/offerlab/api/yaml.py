"""YAML in and out, for files that people write: no surprises of old YAML, no key twice, no references."""

import re
from typing import Any, Final

import msgspec
import yaml

from offerlab.errors import InvalidInput, TooLarge

_BOOLEAN: Final = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Only `true` and `false` are truths (Norway is no refusal), and no key stands twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's own
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it bare
            raise InvalidInput(f"line {event.start_mark.line + 1}: references (*) are not taken")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise InvalidInput(f"line {key_node.start_mark.line + 1}: {key!r} is no text; write it in quotes")
            if key in seen:
                raise InvalidInput(f"line {key_node.start_mark.line + 1}: {key!r} stands here twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(?:true|false)$"), ["t", "f"])


def to_json(text: str, *, limit: int) -> bytes:
    """A YAML document (JSON is one) as JSON.

    Raises:
        InvalidInput: it is none; the line is named.
        TooLarge: above the limit.
    """
    if len(text) > limit:
        raise TooLarge(f"the file may have at most {limit} characters")
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise InvalidInput(f"{line}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInput(f"the file is no YAML: {error}") from error
    except RecursionError as error:
        raise InvalidInput("the file is nested too deeply") from error
    return msgspec.json.encode({} if value is None else value)


def from_plain(value: object) -> str:
    """Plain values as YAML, in the order they come, texts in their own script."""
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=110)
