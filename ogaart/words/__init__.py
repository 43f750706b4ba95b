"""Words of the catalog: how texts become terms, which words mean the same, and the index of terms."""
