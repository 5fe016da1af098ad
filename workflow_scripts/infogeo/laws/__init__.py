"""From numbers to laws over N, with their controls and verdicts."""
