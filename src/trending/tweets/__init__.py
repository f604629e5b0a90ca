"""What a tweet is on the wire, the rule that tells it from other records, and its record's id."""
