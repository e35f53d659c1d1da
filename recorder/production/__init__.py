"""What is made from the tracks: steps that can be resumed and repeated."""
