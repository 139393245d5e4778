"""Tokens and processes: how an account gets its access_token, and how processes share it.

Every call carries an access_token, which is valid for at most two hours. A `wxcv.Session` fetches it on the
first call, refreshes it in the background before it expires, and replaces it if WeChat refuses it. Programs
do not handle tokens. `await session.token()` returns the current one, for other libraries, and
`session.invalidate_token()` drops it.

## Which credential

- `wxcv.AppCredential(appid, secret)`: the stable token. WeChat returns the same token to every process, so
  that processes do not invalidate each other's tokens, even without a shared store. Use it unless there is
  a reason not to.
- `wxcv.AppCredential(appid, secret, stable=False)`: the classic token. Every new one invalidates the
  previous one after 5 minutes. All programs that fetch it must share it.
- `wxcv.AuthorizerCredential` over `wxcv.ComponentCredential`: a third-party platform (component) and the
  accounts that authorised it (authorizers).
- `wxcv.CloudCredential`, `wxcv.CloudRelayCredential`: a service in WeChat's cloud hosting.
- `wxcv.CallbackCredential`: an async function of your own, such as a client of a token service.
- `wxcv.StaticTokenCredential`: a token that was fetched by another program; it is never refreshed.

## One process

All callers of a session share one token and one refresh, however many wait. To share tokens between
sessions, pass the same `wxcv.TokenCache` to each of them:

```python
tokens = wxcv.TokenCache()
first = wxcv.Session(credential, tokens=tokens)
second = wxcv.Session(credential, tokens=tokens, concurrency=2)
```

For many accounts in one program, open one session and call `session.on_behalf_of(other_credential)`: it
shares connections, slots, settings and tokens, and costs almost nothing.

## Several processes

With a `wxcv.Store`, processes share tokens: on one machine through a file, with `wxcv.SQLiteStore`, and on
any number of machines with `wxcv.RedisStore`:

```python
session = wxcv.Session(credential, store=wxcv.SQLiteStore("wxcv.db"))
session = wxcv.Session(credential, store=wxcv.RedisStore(redis))
```

A store is required for kinds whose new token invalidates the previous one (classic, component, authorizer)
if more than one process fetches tokens. One process at a time holds the lease and refreshes; the others use
the token that it stored. If the store fails, a process with a valid token continues to use it. Without one,
it fetches a stable token itself; for the other kinds it raises `wxcv.StoreError` rather than invalidate the
tokens of others.

A store also shares daily limits, and the answers of a `wxcv.AnswerCache` for the endpoints in `share`:

```python
async with wxcv.SQLiteStore("wxcv.db") as store:
    async with wxcv.Session(
        credential,
        store=store,
        daily_limits=wxcv.DailyLimits({wxcv.SCAN_QRCODE: 100}),
        answer_sources=[wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])],
    ) as session:
        scan = await session.scan_qrcode("parcel.png")
        usage = await session.usage(wxcv.SCAN_QRCODE)  # usage.count: how many were sent today
```

A session closes neither its store nor its answer sources: they may serve other sessions.

Keys hold the kind of credential and the account, never a secret. Values hold tokens, so protect the store
like any secret store.

## When a token is refused

A refused token is dropped and the call is sent once more with another one. If WeChat returns the refused
stable token again, wxcv forces a new one, at most once every 30 s and 10 times a day. Otherwise the call
raises `wxcv.TokenRejectedError`. After a failed refresh all callers get the same error until the back-off
ends, so that a wrong secret does not cause a request for every call; `wxcv.TokenCache` lists the times.

## Refresh tokens of authorizers

WeChat may return a new refresh token with every access token of an authorizer. `on_refresh_token` is called
with each; save it before you return. Without the newest one, the authorizer must authorise the platform
again.
"""

__all__: list[str] = []  # the guide is all that is public here; the names are those of wxcv
