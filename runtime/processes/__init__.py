"""The processes of the product: the API, a worker, the relay. Each runs until it is cancelled, and leaves in order."""
