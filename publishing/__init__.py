"""Delivering finished recordings, and proving that they arrived."""
