/** A browser with cookies and no screen: it follows redirects, sends the forms of the device flow, and stops at the callback. */
interface Visit {
  /** What its user says to the server's questions. */
  answer?: "yes" | "no";
}

/** @returns the URL of the callback, which is not fetched */
export async function authorizeInBrowser(url: string, redirectUri: string, { answer = "yes" }: Visit = {}) {
  const browse = browser(answer);
  let next = url;
  while (!next.startsWith(redirectUri)) {
    const { location, page } = await browse(next);
    if (location === undefined) throw new Error(`no redirect from ${next}: ${page}`);
    next = location;
  }
  return next;
}

/** Enters the code of a device (RFC 8628 §3.3). */
export async function confirmDevice(verificationUri: string, userCode: string, { answer = "yes" }: Visit = {}) {
  const browse = browser(answer);
  const { page } = await browse(verificationUri);
  const xsrf = /name="xsrf" value="(\w+)"/.exec(page)?.[1] ?? "";
  const decision = answer === "yes" ? { confirm: "yes" } : { abort: "yes" };
  const form = new URLSearchParams({ xsrf, user_code: userCode, ...decision });
  let { location } = await browse(verificationUri, { method: "POST", body: form });
  while (location !== undefined) ({ location } = await browse(location));
}

function browser(answer: "yes" | "no") {
  const cookies = new Map<string, string>();
  return async (url: string, init: RequestInit = {}) => {
    const asked = answer === "no" && url.includes("/interaction/") ? `${url}?answer=no` : url;
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(asked, { ...init, headers: { cookie }, redirect: "manual" });
    for (const set of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    return { page: await response.text(), location: location === null ? undefined : new URL(location, url).href };
  };
}
