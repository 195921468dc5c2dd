"""The demonstration: a real shop, packaged, and an experiment replayed in it."""
