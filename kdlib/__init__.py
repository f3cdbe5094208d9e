"""Understanding knowledge distillation: the science behind the book.

Objects lie flat at the top, as chapters call them; each paper's task has a folder::

    logits  losses  datasets  pixels  devices                what the papers talk about
    kernels  linearized  models  training  metrics           the same, in several files
    intervals  curves  published                             estimates and paper curves
    roots  places  downloads                                 a solver; files and folders
    papers                                                   one folder a paper

A name always shows its room: ``from kdlib import logits, metrics``. What any executable
companion of papers needs (sweeps, claims, pages) is the package ``companion``.
"""
