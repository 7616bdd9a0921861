"""The only floor that takes paths: readers, writers, metadata."""
