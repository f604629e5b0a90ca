"""Evaluating anybody's streaming job: it reads what a stack plays of a scenario, and its results are compared with the truth."""
