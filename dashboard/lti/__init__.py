"""LTI 1.3: course platforms that open this room's live page and recordings."""
