"""What a worker serves about itself: metrics, and whether it is alive and ready."""
