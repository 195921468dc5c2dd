"""From events to cells of exact sums, on any engine."""
