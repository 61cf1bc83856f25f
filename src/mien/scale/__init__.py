"""Work on several machines, through Ray (extra `scale`). All that is written is written by the caller's process."""
