"""Classroom: one object that every door calls; sessions, scenes, journal, health."""
