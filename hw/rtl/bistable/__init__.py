"""The bistable engine: networks of bistable neurons, whose units have values of K bits."""
