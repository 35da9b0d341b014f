// Requests to the API, sent with the key that the browser keeps.

// A refusal of the API: `message` says what is wrong and what would be right.
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.type = document.type ?? "";
    this.errors = document.errors ?? [];
  }
}

// Returns the response, or throws a Problem, of status 0 if there is no connection. Without a valid key, the browser goes
// to the sign-in page.
export async function api(path, options = {}) {
  const headers = { "X-ClearScope-Portal": "1", Accept: "application/json", ...options.headers };
  let body = options.body;
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.json);
  }
  const response = await fetch(path, { ...options, headers, body, credentials: "same-origin" }).catch(() => {
    throw new Problem(0, { detail: document.documentElement.dataset.unreachable });
  });
  if (response.ok) return response;
  if (response.status === 401) signIn();
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

// Goes to the sign-in page, and from there back to this one.
export function signIn() {
  const here = location.pathname + location.search;
  location.assign(`/sign-in?next=${encodeURIComponent(here)}`);
}
