"""What the sessions add up to: metrics of one session, statistics across sessions, ranking across trials."""
