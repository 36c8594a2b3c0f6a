"""``serfusion check``: is this corpus fit for a comparison?"""
