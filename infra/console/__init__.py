"""What a command says and hears: its lines, its streams, signals, and the file of an unexpected error."""
