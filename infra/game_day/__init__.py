"""Game days: the faults that a running stack must survive, how each is injected, and the trial that proves it did."""
