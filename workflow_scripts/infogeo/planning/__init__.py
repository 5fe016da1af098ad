"""Before a run: the configuration, what it costs, and what a scheduler is asked for."""
