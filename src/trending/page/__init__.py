"""The live page: the ranking as bars that move, read from the serving store and the heartbeats, never from the broker."""
