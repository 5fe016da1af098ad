"""From texts to hidden states: tokens, forward passes, shards and the store."""
