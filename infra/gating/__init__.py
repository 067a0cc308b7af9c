"""Trying the gate on clips and on made scenes, before anybody trusts it."""
