"""The geometry of whole texts: distances between covariances, judged by labels."""
