"""Programs under a supervisord: their declaration, launch and logs, and the budget of their restarts."""
