"""Whether a service has what belongs to each completion: asked by operators, and looked at by itself."""
