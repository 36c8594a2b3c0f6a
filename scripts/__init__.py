"""What makes the files that ship; run from the root of the repository, in no wheel."""
