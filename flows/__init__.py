"""Flows: one file is one flow is one deployment."""
