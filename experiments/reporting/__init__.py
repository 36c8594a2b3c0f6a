"""From predictions to numbers, sentences, tables, figures, pages.

Of experiments, imports only templates.
"""
