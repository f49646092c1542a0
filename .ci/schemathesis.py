"""What is refused although it is as described is refused for something that was asked."""

import schemathesis

ASKED = {
    304: lambda r: "If-None-Match" in r.headers,
    400: lambda r: "Idempotency-Key" in r.headers,  # which does not go with a filter
    412: lambda r: "If-Match" in r.headers,
    422: lambda r: "Idempotency-Key" in r.headers,
    503: lambda r: "version=" in r.url,
}


@schemathesis.check
def refused_for_what_was_asked(ctx, response, case):
    asked = ASKED.get(response.status_code)
    if asked and case.meta and case.meta.generation.mode.is_positive and not asked(response.request):
        raise AssertionError(f"{response.status_code}, and nothing was asked that it is about")
