"""Understanding knowledge distillation: the package behind the book.

Objects live here, papers live in ``book``. A module is a room with one subject and imports only from floors below::

    top      chapters, execution, trials, pages, site   a chapter with checked parameters, run, tried, dressed, built
    floor 2  transfer, correction, neurons, threshold   one run of a section's experiment, all its quantities at once
    floor 1  linearized, metrics, inefficiency, synthetic   students at every sample size; what papers plot; their task
    floor 0  datasets, models, losses, logits, kernels (tiles), separation, training, pixels, curves   one idea each
    yard     sweeps (dispatch, cluster, rows, rowprocess, codekeys), claims (claimfile, verdicts, ledgerpage),
             plots, moving, costpage, downloads, places, devices   durable rows, verdicts, figures, files: no maths

A name always shows its room: ``from kdlib import logits, metrics``.
"""
