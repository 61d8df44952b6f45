"""What a worker serves about itself: metrics, and whether it lives and is ready."""
