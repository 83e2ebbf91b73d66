"""Second factors: what people set up beside the password, and how they are asked for it.

Every question is a *challenge*: it belongs to one user and one purpose (to sign in, to confirm, to set a factor up), lasts ten
minutes, bears five tries and is answered once. It was begun with a password, and ends with it: another password makes it void.
The token that answers it is kept as a hash. From where it is answered does not matter, for people change networks.

``challenges`` begins and counts, ``proofs`` decides whether an answer is good, ``methods`` is what people do to their factors;
``totp``, ``codes`` and ``security_keys`` know each kind.
"""
