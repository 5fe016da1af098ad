"""infogeo: the information in the geometry of language-model representations."""
