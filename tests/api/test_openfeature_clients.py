"""OpenFeature's providers as their makers publish them, pointed at the service: nothing of them is changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support import node
from support.process import Process
from support.service import ADMIN

pytestmark = pytest.mark.client
SERVER: Final = {
    "@openfeature/core": "1.12.0",
    "@openfeature/ofrep-core": "0.1.4",
    "@openfeature/ofrep-provider": "0.1.3",
    "@openfeature/server-sdk": "1.23.0",
}
WEB: Final = {
    "@openfeature/core": "1.12.0",
    "@openfeature/ofrep-web-provider": "0.4.3",
    "@openfeature/web-sdk": "1.10.0",
}
VALUES: Final[dict[str, tuple[str, Any, Any, Any]]] = {
    "words": ("string", "plain", "fancy", "default"),
    "switch": ("boolean", False, True, True),
    "count": ("integer", 3, 10, -1),
    "share": ("number", 10, 2.5, -1.0),
    "thing": ("object", {"a": 1}, {"b": [1, {"c": None}]}, {"none": True}),
    "paused": ("string", "control", "treatment", "default"),
}
"""Flags: type, the values of both arms, the default of the caller."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A running service with a flag of every type, one of them paused."""
    process = Process(tmp_path_factory.mktemp("shop"))
    process.start()
    for key, (kind, first, second, _) in VALUES.items():
        arms = [{"key": "control", "value": first}, {"key": "treatment", "value": second}]
        body = {"key": key, "value_type": kind, "variants": arms, "metrics": {"primary": "aov"}}
        process.made("/v1/experiments", body)
        process.made(f"/v1/experiments/{key}/start", None)
    process.made("/v1/experiments/paused/pause", None)
    yield process
    process.stop()


def expected(shop: Process, customer: str) -> dict[str, tuple[Any, str, str]]:
    """Value, variant and OpenFeature's reason of every flag, from what a decision says."""
    _, answer = shop.ask("POST", "/v1/decisions", {"customer_id": customer, "experiments": list(VALUES)})
    found: dict[str, tuple[Any, str, str]] = {}
    for one in answer["decisions"]:
        key, variant = one["experiment"], one["variant"]
        value = VALUES[key][1 if variant == "control" else 2]
        found[key] = (value, variant, "SPLIT" if one["reason"] == "SPLIT" else "DISABLED")
    return found


def test_the_python_provider_gets_every_type(shop: Process) -> None:
    """openfeature-provider-ofrep: value, variant and reason of a decision, each of its own Python type."""
    from openfeature.contrib.provider.ofrep import OFREPProvider  # noqa: PLC0415 - only where the mark asks for it
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - likewise

    provider = OFREPProvider(shop.url, headers_factory=lambda: {"Authorization": f"Bearer {ADMIN}"})
    ask = {
        "string": provider.resolve_string_details,
        "boolean": provider.resolve_boolean_details,
        "integer": provider.resolve_integer_details,
        "number": provider.resolve_float_details,
        "object": provider.resolve_object_details,
    }
    for i in range(20):
        customer = f"c-{i}"
        context = EvaluationContext(customer, {"country": "KR", "cart": {"total": 42.5}})
        for key, (value, variant, reason) in expected(shop, customer).items():
            kind, default = VALUES[key][0], VALUES[key][3]
            found: Any = ask[kind](key, default, context)  # type: ignore[operator]  # one method per type
            assert (found.value, found.variant, str(found.reason)) == (value, variant, reason)
            assert type(found.value) is (float if kind == "number" else type(value))
    provider.session.close()


def test_the_python_provider_knows_our_refusals(shop: Process) -> None:
    """Unknown flag, no targeting key, another type, another key: each the provider's own error."""
    from openfeature import exception  # noqa: PLC0415 - only where the mark asks for it
    from openfeature.contrib.provider.ofrep import OFREPProvider  # noqa: PLC0415 - likewise
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - likewise

    provider = OFREPProvider(shop.url, headers_factory=lambda: {"X-API-Key": ADMIN})
    known = EvaluationContext("c", {})
    with pytest.raises(exception.FlagNotFoundError):
        provider.resolve_string_details("nothing", "", known)
    with pytest.raises(exception.TargetingKeyMissingError):
        provider.resolve_string_details("words", "", EvaluationContext(None, {}))
    with pytest.raises(exception.TypeMismatchError):
        provider.resolve_boolean_details("words", default_value=False, evaluation_context=known)
    provider.session.close()
    stranger = OFREPProvider(shop.url)
    with pytest.raises(exception.OpenFeatureError, match="unauthorized"):
        stranger.resolve_string_details("words", "", known)
    stranger.session.close()


ASK_SERVER: Final = """
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
const [url, key, flags, customers] = process.argv.slice(1).filter((word) => word !== '--');
const provider = new OFREPProvider({ baseUrl: url, headers: [['Authorization', `Bearer ${key}`]] });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const ask = { string: 'getStringDetails', boolean: 'getBooleanDetails', integer: 'getNumberDetails',
  number: 'getNumberDetails', object: 'getObjectDetails' };
const seen = {};
for (const customer of JSON.parse(customers)) {
  seen[customer] = {};
  for (const [name, [kind, , , otherwise]] of Object.entries(JSON.parse(flags))) {
    const told = await client[ask[kind]](name, otherwise, { targetingKey: customer, country: 'KR' });
    seen[customer][name] = [told.value, told.variant, told.reason];
  }
}
const missing = await client.getStringDetails('nothing', 'default', { targetingKey: 'c' });
const nobody = await client.getStringDetails('words', 'default', {});
console.log(JSON.stringify({ seen, missing: missing.errorCode, nobody: nobody.errorCode }));
await OpenFeature.close();
"""

ASK_WEB: Final = """
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
const [url, key, flags, customers] = process.argv.slice(1).filter((word) => word !== '--');
const provider = new OFREPWebProvider({ baseUrl: url, headers: [['X-API-Key', key]], pollInterval: 0 });
const ask = { string: 'getStringDetails', boolean: 'getBooleanDetails', integer: 'getNumberDetails',
  number: 'getNumberDetails', object: 'getObjectDetails' };
const seen = {};
let first = true;
for (const customer of JSON.parse(customers)) {
  await OpenFeature.setContext({ targetingKey: customer, country: 'KR' });
  if (first) await OpenFeature.setProviderAndWait(provider);
  first = false;
  const client = OpenFeature.getClient();
  seen[customer] = {};
  for (const [name, [kind, , , otherwise]] of Object.entries(JSON.parse(flags))) {
    const told = client[ask[kind]](name, otherwise);
    seen[customer][name] = [told.value, told.variant, told.reason];
  }
}
const missing = OpenFeature.getClient().getStringDetails('nothing', 'default');
console.log(JSON.stringify({ seen, missing: missing.errorCode }));
await OpenFeature.close();
"""


@pytest.mark.parametrize(("packages", "script"), [(SERVER, ASK_SERVER), (WEB, ASK_WEB)], ids=["server", "web"])
def test_the_node_providers_get_every_type(shop: Process, packages: dict[str, str], script: str) -> None:
    """@openfeature/ofrep-provider and ofrep-web-provider: what a decision says, and their own errors for the rest."""
    customers = [f"c-{i}" for i in range(10)]
    folder = node.installed(packages)
    told = json.loads(node.run(folder, script, shop.url, ADMIN, json.dumps(VALUES), json.dumps(customers)))
    for customer in customers:
        for key, (value, variant, reason) in expected(shop, customer).items():
            assert told["seen"][customer][key] == [value, variant, reason], (customer, key)
    assert told["missing"] == "FLAG_NOT_FOUND"
    assert told.get("nobody", "TARGETING_KEY_MISSING") == "TARGETING_KEY_MISSING"


LISTEN: Final = """
import { EventSource } from 'eventsource';
globalThis.EventSource = EventSource;
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
const [url, key] = process.argv.slice(1).filter((word) => word !== '--');
const headers = [['Authorization', `Bearer ${key}`]];
const provider = new OFREPWebProvider({ baseUrl: url, headers, cacheMode: 'disabled' });
await OpenFeature.setContext({ targetingKey: 'c-1' });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const before = client.getStringDetails('heard', 'default').reason;
const changed = new Promise((told) => client.addHandler(ProviderEvents.ConfigurationChanged, told));
const opened = async () => {
  while (!provider._sseManager?.isConnected) await new Promise((soon) => setTimeout(soon, 20));
};
await opened();
const request = { method: 'POST', headers: Object.fromEntries(headers) };
const paused = await fetch(`${url}/v1/experiments/heard/pause`, request);
await changed;
const after = client.getStringDetails('heard', 'default').reason;
console.log(JSON.stringify({ paused: paused.status, before, after }));
await OpenFeature.close();
process.exit(0);
"""


def test_the_web_provider_hears_of_a_change_by_itself(shop: Process) -> None:
    """@openfeature/ofrep-web-provider opens the stream that the flags name, and fetches when it is told to."""
    arms = [{"key": "control"}, {"key": "treatment"}]
    shop.made("/v1/experiments", {"key": "heard", "variants": arms, "metrics": {"primary": "aov"}})
    shop.made("/v1/experiments/heard/start", None)
    folder = node.installed({**WEB, "eventsource": "3.0.7"})
    told = json.loads(node.run(folder, LISTEN, shop.url, ADMIN))
    assert told == {"paused": 200, "before": "SPLIT", "after": "DISABLED"}


CROWDED: Final = """
import { EventSource } from 'eventsource';
globalThis.EventSource = EventSource;
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
const [url, key, flag, pollInterval] = process.argv.slice(1).filter((word) => word !== '--');
const headers = [['Authorization', `Bearer ${key}`]];
const post = { method: 'POST', headers: Object.fromEntries(headers) };
const until = async (holds) => {
  while (!holds()) await new Promise((soon) => setTimeout(soon, 20));
};
const context = JSON.stringify({ context: { targetingKey: 'c-1' } });
const flags = await (await fetch(`${url}/ofrep/v1/evaluate/flags`, { ...post, body: context })).json();
const address = url + flags.eventStreams[0].endpoint.requestUri;
const first = new AbortController();
const held = await fetch(address, { signal: first.signal });
const refused = await fetch(address);
const options = { baseUrl: url, headers, cacheMode: 'disabled', pollInterval: Number(pollInterval) };
const provider = new OFREPWebProvider(options);
await OpenFeature.setContext({ targetingKey: 'c-1' });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const before = client.getStringDetails(flag, 'default').reason;
const changed = new Promise((told) => client.addHandler(ProviderEvents.ConfigurationChanged, told));
if (Number(pollInterval) > 0) {
  await until(() => provider._pollingIntervalId !== undefined && provider._sseManager === undefined);
} else {
  await until(() => provider._sseRetryCount > 0);
  first.abort();
  await until(() => provider._sseManager?.isConnected);
}
await fetch(`${url}/v1/experiments/${flag}/pause`, post);
await changed;
const after = client.getStringDetails(flag, 'default').reason;
const later = Number(refused.headers.get('retry-after'));
console.log(JSON.stringify({ held: held.status, refused: refused.status, later: later > 0, before, after }));
await OpenFeature.close();
process.exit(0);
"""


@pytest.mark.parametrize("interval_ms", [100, 0], ids=["polls", "comes back"])
def test_the_web_provider_lives_without_a_free_stream(tmp_path: Path, interval_ms: int) -> None:
    """Beyond the limit the stream is refused (503, Retry-After): the provider polls, or comes back until it is free."""
    folder = node.installed({**WEB, "eventsource": "3.0.7"})
    service = Process(tmp_path, environment={"OFFERLAB_STREAMS": "1"})
    service.start()
    try:
        arms = [{"key": "control"}, {"key": "treatment"}]
        service.made("/v1/experiments", {"key": "crowded", "variants": arms, "metrics": {"primary": "aov"}})
        service.made("/v1/experiments/crowded/start", None)
        told = json.loads(node.run(folder, CROWDED, service.url, ADMIN, "crowded", str(interval_ms)))
    finally:
        service.kill()
    assert told == {"held": 200, "refused": 503, "later": True, "before": "SPLIT", "after": "DISABLED"}
