"""Bulk runs: any number of images in bounded memory, with an outcome for each.

`wxcv.Session.batch` takes an iterable or async iterable of images and yields an outcome for each, so that
no image is lost and none is silently sent twice:

```python
async with session.batch(wxcv.SCAN_QRCODE, paths) as outcomes:
    async for outcome in outcomes:
        if outcome.status == "ok":
            save(outcome.item, outcome.unwrap())
        elif outcome.status == "not_sent":
            keep_for_later(outcome.item)
        else:
            report(outcome.item, outcome.status, outcome.error)
```

## The four statuses

- `"ok"`: there is an answer, `outcome.answer`; `outcome.source` says whose.
- `"failed"`: wxcv or WeChat refused the image, its attempts are used up, or the response was not one of
  WeChat's API. It will fail again, unless `error.account_wide` or `error.retryable`.
- `"not_sent"`: nothing of it was sent: the quota, a daily limit, the account, the token, the network or the
  store stopped the batch. Send it again later.
- `"unknown"`: it was sent, perhaps by another call of the same image (then `outcome.sends` is 0), and no
  complete response was received. WeChat may have counted it. Send it again if a second charge costs you less
  than a missing answer.

## Memory and order

The iterable is consumed only as fast as you consume outcomes. At most `2 * concurrency` images are held.
With `ordered=True`, outcomes come in the order of the images, and at most `window` images are in progress
or waiting for an earlier one.

Pass paths rather than bytes: a path is read when its call runs. `key=` returns the image of an item, so
that the items can be messages of a queue:

```python
async with session.batch(wxcv.PRINTED_TEXT, messages, key=lambda message: message.body) as outcomes:
    async for outcome in outcomes:
        error = outcome.error
        if error is None or not (error.account_wide or error.retryable or outcome.status != "failed"):
            await outcome.item.acknowledge()  # the others are delivered again
```

## When a batch stops

After the first account-wide error, such as `wxcv.QuotaExhaustedError` or `wxcv.DailyLimitError`, nothing
more is sent: running calls finish, and every remaining image is `"not_sent"` with that error. While the
server or the store cannot be reached, images are tried again; if the outage lasts for the session's
`call_timeout`, the batch stops in the same way. So a network failure never turns images into failed ones.

An endless iterable never ends after a stop: leave the block when `outcome.status == "not_sent"`. Leaving
the block cancels the running calls; outcomes that were not consumed are dropped.

## Surviving a crash

With a `wxcv.Journal`, every outcome is written to an SQLite file before the batch yields it, so that a run
that was killed resumes where it stopped:

```python
async with wxcv.Journal("run.sqlite") as journal:
    async with session.batch(wxcv.PRINTED_TEXT, paths, journal=journal) as outcomes:
        async for outcome in outcomes:
            print(outcome.item, outcome.status, outcome.source)
```

Run the same program again. What the journal holds as "ok" is not sent again; its outcome has the source
"journal". "not_sent" images are sent now, and so are those that got an account-wide error; images that wxcv
itself refused are checked again. Other "failed" and "unknown" images get their recorded outcome, unless
`Journal(retry={"failed", "unknown"})` asks for another try. The images that were being sent when the process
was killed, at most `concurrency`, are sent again; with `RetryPolicy(at_most_once=True)` the journal has the
intent before the first byte is sent, and they are "unknown". `wxcv results` prints a journal, even while a
run writes to it.

If the disk is full or the file is damaged, the batch raises `wxcv.JournalError` and sends nothing more; every
outcome that it yielded is recorded.

## Speed and quotas

`concurrency` limits the calls that run at a time. After a throttling (45011) the endpoint pauses until the
minute ends, and continues at the rate that WeChat accepted, which then grows slowly.
`wxcv.RetryPolicy(at_most_once=True)` never sends again what WeChat may already have counted: neither what
got no response, nor what was answered with a status of 500 or more, which is `"failed"` with
`error.retryable`. `session.stats()` shows how many images were sent.
"""

__all__: list[str] = []  # the guide is all that is public here; the names are those of wxcv
