"""Builds the weights on FER2013."""
