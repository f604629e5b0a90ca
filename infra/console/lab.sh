#!/bin/sh
# The command `lab`; `make setup` puts it into the environment's bin. A link to it from another directory works as well.
exec "$(dirname "$(readlink -f "$0")")/python" -P -m flows.commands.lab "$@"
