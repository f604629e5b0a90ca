"""Flows: each file holds one flow, which has one deployment."""
