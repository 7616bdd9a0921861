"""What makes stacks at home in a notebook: xarray's accessor and engine, previews, and a viewer."""
