"""Examples that run, each as a user would start it: `make examples` runs all of them."""
