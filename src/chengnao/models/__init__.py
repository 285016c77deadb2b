"""Models: the gateway that all calls go through, the registry, deployment, training, models that come with packages."""
