"""The forms: the parameters of every flow and command, and how a terminal fills one in and runs its command."""
