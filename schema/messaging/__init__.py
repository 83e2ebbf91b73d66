"""What is said to people, as clients see it, and what they may do with it."""
