"""PDFs are made outside the pipeline's transaction, and those that can't be made are told."""
