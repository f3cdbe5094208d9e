"""Understanding knowledge distillation: the package behind the book.

Each module is one room with one subject; a name always shows its room: ``from kdlib import logits, metrics``.
"""
