"""Commands that are no flow and need Prefect, or what Prefect runs."""
