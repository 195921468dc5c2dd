"""The only room that knows the database: tables, sessions, and plain functions that load, save and append."""
