"""JSON over HTTP: what comes in is checked here, what goes out is shaped here, nothing is decided here."""
