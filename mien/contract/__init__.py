"""What the stages say to each other: value types and errors. Knows numpy and nothing else."""
