"""What Port is to answer about the catalog: aggregations, scorecards and pages, as values."""
