"""Producers elsewhere: they send to a stack's topic without being a program of that stack."""
