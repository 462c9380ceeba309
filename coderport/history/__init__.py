"""What runs changed and deleted in Port, kept before they did, and how to undo it."""
