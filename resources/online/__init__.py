"""The online store: what is committed, projected to Redis or Valkey, and the proof of it."""
