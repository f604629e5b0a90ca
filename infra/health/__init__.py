"""How a stack is: the examination of every component, its verdicts and their record, and what may be repaired."""
