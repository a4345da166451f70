"""What people see of their completions, and what operators see of one that is missed."""
