"""What every layer may use: stages, states of rows, partitions keys, reports, named fault points."""
