"""`python -m offerlab`: the command line where the `offerlab` script is not on the path."""

from offerlab.cli import main

main()
