"""Simulated tweets: random, from a catalogue of users, phrases and weighted hashtags, or by a scenario."""
