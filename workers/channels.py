"""What order a sound's channels have."""

from __future__ import annotations

import ctypes

import av
from av.audio.codeccontext import AudioCodecContext


def layout_of(context: AudioCodecContext) -> av.AudioLayout:
    """The layout of a sound that is not decoded yet; look at it this way alone.

    With each object that PyAV makes of an order of the file's own, such as right before left, it
    frees the one list that FFmpeg has of it, and the process ends with the second: these objects
    are never let go, and frames of such sound must not be made.
    """
    layout = context.layout
    if has_own_order(layout):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout


def has_own_order(layout: av.AudioLayout) -> bool:
    """Whether the channels are named, but in none of the orders that FFmpeg has a name for."""
    return "(" in layout.name
