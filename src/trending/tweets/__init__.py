"""A tweet's wire format, the rule that classifies records, and the record id."""
