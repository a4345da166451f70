"""Where Kafka is, as whom one speaks to it, and what an administrator sets up there."""
