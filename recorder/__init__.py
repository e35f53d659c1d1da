"""Sources to tracks to segments to the lecture. The recording folder is the truth."""
