"""What was learned: contents by who may say them, and what follows from each change."""
