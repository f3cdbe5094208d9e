"""What an executable companion of papers needs; nothing here is about distillation.

The rooms::

    sweeps  engine            durable rows on Dask
    claims                    what the papers claim, and the verdict
    press                     from a chapter's text to its page
    plots  moving  prose      figures, and numbers in the text
    markup                    HTML that escapes by default
    __main__                  the command line, named ``kdlib``
"""
