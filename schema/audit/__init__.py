"""The audit log, for those who look over everybody's shoulder: what was done, tried in vain and read, and from where."""
