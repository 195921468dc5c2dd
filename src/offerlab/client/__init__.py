"""The Python client: decisions and events over HTTP, and decisions without it from a downloaded ruleset."""
