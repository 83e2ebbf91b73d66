"""The machines: tables, commands, journal, followers, broadcast, jobs, storage, outboxes, tokens, logs."""
