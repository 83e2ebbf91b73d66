"""Customers: who we work for, whom we talk to there, and where the work is done.

Nouns: Customer (an account, a person or a company), Contact (somebody to call or write to), Site (a place we go to).
Below: company gives numbers, currency and time zone; identity the account managers. Above: equipment stands on sites,
work orders are done for customers, agreements and billing charge them.
"""
