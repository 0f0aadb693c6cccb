"""Handwritten digits, learned by clients that show nobody what they learned."""
