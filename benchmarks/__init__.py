"""asv benchmarks, one file a part, with the peers in the same grid."""
