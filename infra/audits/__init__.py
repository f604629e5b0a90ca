"""What an audit has of the machine: the processes that count a long log."""
