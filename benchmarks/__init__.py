"""Speed, always as a ratio to a peer or a floor measured in the same run."""
