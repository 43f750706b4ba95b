"""How pictures, licences and palettes are shown: pure functions from a hit to what a page or a file says."""
