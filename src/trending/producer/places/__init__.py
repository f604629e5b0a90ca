"""Where a ledger may be: a file of one producer's, or the tables that a stack's producers share in PostgreSQL."""
