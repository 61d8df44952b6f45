"""Stage 1: opens a source, decodes it, keeps its time. Never imports torch."""
