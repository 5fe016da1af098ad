"""From laws and studies to a verdict on each claim."""
