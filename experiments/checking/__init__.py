"""``serfusion check``: is this corpus fit for a comparison?

Of experiments, imports only comparing, config, reporting and templates.
"""
