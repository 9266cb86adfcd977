"""Stands for the command that makes the topics: says which broker it was told."""

import os

print(f"broker {os.environ['CONVOBOSS_KAFKA_BOOTSTRAP']}")
