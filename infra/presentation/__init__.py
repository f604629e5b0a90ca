"""What `make rehearse` and `make present` look at."""
