"""The sandbox for people: one page, made on the server, that shows all it knows."""
