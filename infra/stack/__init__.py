"""What a stack is: its declaration and profiles, its state, and what every runtime can do with it."""
