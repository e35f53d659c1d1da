"""Students' tablets: pairing, one ordered log per lesson, pages, ink, questions, presence."""
