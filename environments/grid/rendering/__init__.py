"""Pictures and text drawings of grid worlds."""
