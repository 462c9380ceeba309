"""What a run costs, measured: `make bench`, `make bench-small`, and two smaller measurements of their own."""
