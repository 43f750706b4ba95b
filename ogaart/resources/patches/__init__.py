"""The published index of exact parts: patches of all pictures in sorted runs, and the pictures that contain others."""
