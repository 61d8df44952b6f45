"""What torch says of a file that it cannot read."""

import pickle
import struct

UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    struct.error,
    pickle.UnpicklingError,
)
"""All that `torch.load` raises on files that are damaged or none of its own: its loader follows
their bytes as far as they lead. Nothing else may be done where these are caught."""
