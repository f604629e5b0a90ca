"""Commands from a terminal: the forms that hold their options, and what runs them."""
