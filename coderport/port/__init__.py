"""Port's REST API: one client, its values, its errors and its rate limits."""
