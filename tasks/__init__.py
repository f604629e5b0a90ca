"""Thin Prefect tasks around plain functions: each adds only a name, retries and a timeout."""
