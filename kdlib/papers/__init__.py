"""One folder a paper: its own task and the runs that its chapters share."""
