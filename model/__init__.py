"""Pixels in, analyses out: detectors, crops, VGG and their weights."""
