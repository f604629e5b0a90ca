"""Thin Prefect tasks over plain functions: a name, retries, a timeout and an artifact, nothing else."""
