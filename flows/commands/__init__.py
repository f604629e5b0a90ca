"""Commands that are not flows but need Prefect or the flows."""
