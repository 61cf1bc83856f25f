"""What the public names of mien do: one call for each command. The command line calls these and translates."""
