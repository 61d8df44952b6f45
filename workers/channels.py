"""What order a sound's channels have."""

from __future__ import annotations

import ctypes

import av
from av.audio.codeccontext import AudioCodecContext


def layout_of(context: AudioCodecContext) -> av.AudioLayout:
    """The layout of a sound that is not decoded yet; it must not be read in any other way.

    Where the file has an order of its own, such as right before left, FFmpeg has one list of it,
    and every layout object that PyAV makes frees that list when it is collected: the second time,
    the process crashes. So these objects are kept for ever, and frames of such sound must not be
    made.
    """
    layout = context.layout
    if has_own_order(layout):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout


def has_own_order(layout: av.AudioLayout) -> bool:
    """Whether the channels are named, but in none of the orders that FFmpeg has a name for."""
    return " channels (" in layout.name  # such as "2 channels (FR+FL)"; "5.1(side)" is a name
