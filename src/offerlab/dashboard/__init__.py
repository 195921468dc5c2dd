"""HTML over the same workflows as the API: pages that are whole without script. `routes.HANDLERS` is all of it."""
