"""Who gets what: the same input gives the same answer, for ever. Pure: no I/O, no clock, no random source."""
