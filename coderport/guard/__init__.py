"""May a run write and delete what it is about to: whose an entity is, and which deletions are accounted for."""
