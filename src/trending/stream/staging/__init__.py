"""Counts of large batches, which the tasks write to PostgreSQL themselves: their side of it, and the driver's."""
