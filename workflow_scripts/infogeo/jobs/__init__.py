"""How and where work runs: progress, logs, threads, workers and SLURM."""
