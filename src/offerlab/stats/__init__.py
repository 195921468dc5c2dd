"""Numbers in, numbers out: this room knows no experiment, table, clock or request."""
