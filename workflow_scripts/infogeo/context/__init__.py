"""What earlier tokens say about the last one: selection, ablation and their summaries."""
