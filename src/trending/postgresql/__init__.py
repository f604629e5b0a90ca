"""PostgreSQL as a store's place: how it is reached, the schema of a stack, and how readers hear of changes."""
