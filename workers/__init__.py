"""Stages 2 and 3: analyzers, and the muxer with what leaves the house."""
