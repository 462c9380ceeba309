"""The self-service actions as pure values: what is declared in Port, and how a form's inputs map to parameters."""
