"""What changes a scenario while it is played."""
