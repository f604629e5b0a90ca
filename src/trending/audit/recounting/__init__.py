"""Counting a log anew: each record by its rule, by columns, by one process or several."""
