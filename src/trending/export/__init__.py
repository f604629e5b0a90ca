"""What others take out of a store."""
