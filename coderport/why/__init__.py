"""Why something is, or is not, in Port as it is: read as a run reads, judged as a run judges, and told."""
