"""Dead letters that are sent back: which of them would be a tweet today, and the way back into the topic."""
