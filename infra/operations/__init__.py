"""What flows do with a stack, one operation a function: each runs by itself, without an engine."""
