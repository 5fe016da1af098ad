"""Statistics on arrays: resampling, rank correlation and slopes in logarithms."""
