"""How a stack is: verdicts and their record, what may be repaired, and faults to try it with."""
