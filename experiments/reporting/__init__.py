"""From predictions to numbers, sentences, tables, figures, pages."""
