"""From columns of values to the bytes that a scrape gets."""
