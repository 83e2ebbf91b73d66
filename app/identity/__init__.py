"""Who is asking: people with roles, their sessions, partners' keys, and every attempt to sign in.

Nouns: User, Session, ApiKey, LoginAttempt.
Neighbors: everything above names people by user id; the API turns a token into an ``Actor`` here (``queries``). A user's
technician and customer belong to higher rooms and are named by id.

How signing in works. An access token lasts 30 minutes and is opaque: what it allows is looked up, so a change of roles or
a revocation holds at once. A refresh token is used once. It has two halves: one that stays the same for a session, and one
that changes with every use. A token with the right first half and a used second half was stolen, or its successor was:
the session ends. For ten seconds the same used token gives the *same* new pair again, because two windows of one browser
may refresh at once, and an answer may get lost. The new pair is derived from the old token and a secret in the row, so
neither a stolen token nor a stolen database alone yields it.

Guessing is slowed per login and network; and of the twenty wrong passwords that one person may have in an hour, all networks that
they never signed in from have twelve together. So however many machines guess, the owner gets in from where they are known.
"""
