"""A stack's declaration, profiles and state, and the interface that every runtime implements."""
