"""The seven expressions of FER2013, in the order of its labels."""

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Index = FER2013 label = position in every probability vector."""
