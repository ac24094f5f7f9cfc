"""What a result depends on, as bytes: the journal and the checkpoints both ask here."""
