"""What schemathesis checks: nothing but that the server stays on its feet."""

import schemathesis


@schemathesis.check
def no_crash(ctx, response, case):
    assert response.status_code != 500, f"500 for {case.method} {case.path}: {response.text[:500]}"
