"""Raw interviews: who spoke when, what was said, how it sounded, and how sure we are.

survey → speakers → pieces → words → emotion → timeline, one module each; :mod:`interview` runs
them for one recording after the other. Nothing of a recording is written outside ``--out``.

Of experiments, imports only annotations, comparing, config and templates.
"""
