"""`python -m runtime.cli`: the command line, as our own processes are started."""

from runtime.cli import main

main()
