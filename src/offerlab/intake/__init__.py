"""Payloads of every source -> canonical events and profile changes. Pure: nothing is stored here."""
