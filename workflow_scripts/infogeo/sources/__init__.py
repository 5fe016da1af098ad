"""What is measured: models, ladders, corpora and published values."""
