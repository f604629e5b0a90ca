"""What the programs have in common: their specifications, their life between start and signal, their heartbeat."""
