"""Programs under supervisord: declaration, launch, output, and the budget for their restarts."""
