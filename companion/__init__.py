"""What an executable companion of papers needs: sweeps, claims, pages; nothing about distillation.

sweeps, engine/   durable rows on Dask
claims/           what the papers claim, and the verdict
press/            from chapter text to HTML
plots, moving     figures
__main__          the command line, named ``kdlib``
"""
