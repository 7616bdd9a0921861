"""Write a lazy image from Python: the same tiles, writers and executors as the command line."""
