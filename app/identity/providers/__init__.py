"""Signing in with another company's identity provider (OpenID Connect, code flow).

The page makes a secret and begins with the hash of it; the browser goes to the provider and comes back with a code of theirs,
which we change into their token at the provider itself. Who that token names gets a code of ours, good for a minute, behind
the ``#`` of the page's address; the page changes it, with its secret, into a session. So no token ever stands in an address,
and a code that was seen there opens nothing for whoever saw it.

What we say to the provider is bound to the browser by a cookie that lasts ten minutes: the nonce and the secret of PKCE are made
of it and kept nowhere. A provider belongs to one organization, and signs in nobody else's people.

``oidc`` speaks the protocol, ``accounts`` knows whose account it is, ``sign_in`` is the way from the first page to the code,
``commands`` is what administrators do.
"""
