"""Cut-over: what another system kept of a core's people, from its files into the services."""
