"""The Pulumi program: reads both servers, has the plan made and judged, and declares it."""
