"""Data sets: reading, drawing, and the protocol that gives every sample its role."""
