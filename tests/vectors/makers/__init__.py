"""What is made into vectors: each function gives the content of one or more JSON files."""
