"""What an experiment with offers is: frozen values and the rules they obey. No I/O, no clock, no randomness."""
