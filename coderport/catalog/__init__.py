"""What Port should hold, as plain values: blueprints, entities, and how they are compared. No I/O here."""
