"""What a reader sees: one benchmark table and one figure of learning curves per suite, and the page that holds them."""
