"""Directories by their address: of this machine, or of a store of objects."""
