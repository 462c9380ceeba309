"""How a row of Coder becomes an entity of Port, and which rows belong into the catalog."""
