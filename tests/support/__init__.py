"""What the tests stand on: a PostgreSQL server, a browser, fonts and node, found or fetched."""
