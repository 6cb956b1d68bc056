"""Statistics of replicas, series and counts."""
