"""Commands that are no flow and need no Prefect."""
