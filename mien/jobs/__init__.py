"""Jobs: streams that are put into a queue, carried out by workers, and watched from anywhere."""
