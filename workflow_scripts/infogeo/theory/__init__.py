"""The skills model and what it predicts for likelihoods and token frequencies."""
