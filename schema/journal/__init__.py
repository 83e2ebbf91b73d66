"""What happened, as clients may follow it: the head of the journal, and the delta feed by polling."""
