"""`python -m infogeo`: the command."""

from infogeo.door.command import main

main()
