"""The sweep: from a study to its dataset, whatever interrupts it."""
